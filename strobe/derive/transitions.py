"""The table `transitions`: a run's milestones, and the changes of the series that tell of structure or progress."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from etl.checkpoints.run import open_run
from etl.errors import StrobeError
from etl.store.catalogue import Catalogue
from strobe.analysis.change_points import LEVEL, MOST_SAMPLES, Change, Searched, change_points
from strobe.analysis.multiple_tests import benjamini_yekutieli
from strobe.derive import heads, progress
from strobe.derive.analysis import BIGINT, DOUBLE, TEXT, Analysis, Row, TableAnalysis, nothing
from strobe.derive.milestones import milestones
from strobe.derive.recorded_run import Array, NotApplicableError, RecordedRun
from strobe.derive.subject import Subject

FALSE_DISCOVERIES = 0.05
"""The largest share of false ones among the changes of a run, on average."""
MOST_METRICS = 200
"""Metrics of a run that are searched, the first by name: a search takes up to half a second."""

UNEVEN = "samples are unevenly spaced in steps, and count as even"
NOT_SEARCHED = "not searched"
_SEARCHED = (progress.ANALYSIS, heads.ANALYSIS)
"""The derived tables whose series are searched."""
NO_CHANGE = "no change that can be told from drift"
NOT_AMONG_SO_MANY = "a change by itself, but not among so many tests"
_NO_SIZE = "nothing is left about the fitted curve to measure the effect in"

# What is set or counted, and what the machine does, is no part of learning.
_NOT_SEARCHED = (
    "learning_rate", "grad_clip_scale", "tokens_seen", "step_time_ms", "tokens_per_second", "mfu",
    "memory_allocated_bytes", "memory_peak_bytes", "recorder_ms",
)  # fmt: skip

_SERIES = f"""
SELECT name AS series, step, value, contains(name, 'loss') AS log FROM scalars
WHERE run = $1 AND name IN (
  SELECT DISTINCT name FROM scalars WHERE run = $1 AND name NOT IN {_NOT_SEARCHED} ORDER BY name LIMIT {MOST_METRICS}
)
UNION ALL
SELECT concat_ws(' ', measure, split, frequency), step, value, contains(measure, 'loss') FROM progress
WHERE run = $1 AND (measure LIKE 'gini%' OR measure IN ('restricted_loss', 'excluded_loss'))
UNION ALL
SELECT concat('head ', layer, '.', head, ' ', score), step, value, false
FROM (
  UNPIVOT heads ON entropy, previous_token, first_token, diagonal, induction, max_weight
  INTO NAME score VALUE value
)
WHERE run = $1
UNION ALL
SELECT concat('norm of ', tensor, if(layer IS NULL, '', concat('.', layer))), step, l2::DOUBLE, true FROM tensors
WHERE run = $1 AND section = 'params'
ORDER BY series, step
"""


class _Series(NamedTuple):
    name: str
    log: bool
    searched: Searched


def rows(catalogue: Catalogue, run: str) -> list[Row]:
    """Milestones of one run, and for each of its series the changes or why there is none, from what its other tables
    hold now."""
    read = _series(catalogue.query(_SERIES, [run]))
    # The matrices are small: a second thread costs more than it brings, above all where other work waits.
    with threadpool_limits(1, "blas"):
        series = [_Series(name, log, change_points(steps, values)) for name, log, steps, values in read]
    return [*_milestone_rows(catalogue, run), *_change_rows(series), *_not_there(catalogue, run)]


def _not_there(catalogue: Catalogue, run: str) -> Iterator[Row]:
    """A row for each derived table whose series were not searched, since it has no rows, with the reason."""
    for analysis in _SEARCHED:
        if not catalogue.query(f"SELECT count(*) AS n FROM {analysis.table} WHERE run = $1", [run])["n"][0].as_py():
            yield {"series": analysis.table, "kind": NOT_SEARCHED, "note": _why_not(catalogue, run, analysis)}


def _why_not(catalogue: Catalogue, run: str, analysis: Analysis) -> str:
    folder = catalogue.run(run).folder
    if folder is None:
        return "the snapshots are not on this machine"
    try:
        analysis.check(Subject(RecordedRun(open_run(folder))))
    except (NotApplicableError, StrobeError) as error:
        return str(error)
    return "not computed when the changes were looked for"


def _series(table: pa.Table) -> Iterator[tuple[str, bool, Array, Array]]:
    """(name, whether values are log10, steps, values) of each series: finite values, thinned evenly to 400."""
    names = table["series"].to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1])) if len(names) else np.zeros(0, int)
    for first, last in zip(starts, [*starts[1:], len(names)], strict=False):
        part = table.slice(first, last - first)
        value, log = part["value"].cast("float64").to_numpy(), part["log"][0].as_py()
        good = np.flatnonzero(np.isfinite(value) & (value > 0) if log else np.isfinite(value))
        if len(good) > MOST_SAMPLES:
            good = good[np.linspace(0, len(good) - 1, MOST_SAMPLES).round().astype(int)]
        yield str(names[first]), log, part["step"].to_numpy()[good], np.log10(value[good]) if log else value[good]


def _change_rows(series: list[_Series]) -> Iterator[Row]:
    """The changes that count beside each other; for a series without, a row that says so.

    A test is a change that was looked at: those of each series, and the last, which was refused.
    """
    able = [each for each in series if not each.searched.reason]
    tests = [[*(change.p for change in each.searched.changes), each.searched.p] for each in able]
    corrected = iter(benjamini_yekutieli(np.array([p for each in tests for p in each])).tolist())
    adjusted = {each.name: [next(corrected) for _ in p] for each, p in zip(able, tests, strict=True)}
    for each in series:
        common = _common(each, len(able))
        values = adjusted.get(each.name, [])
        changes = zip(each.searched.changes, values, strict=False)
        found = [_change_row(change, p) for change, p in changes if p <= FALSE_DISCOVERIES]
        for row in found or [_no_change(each.searched, values)]:
            notes = [row.get("note"), UNEVEN if each.searched.uneven else None]
            yield common | row | {"note": "; ".join(filter(None, notes)) or None}


def _common(each: _Series, able: int) -> Row:
    what = "log10 of the value" if each.log else "the value"
    rule = f"change of {what}: p at most {LEVEL:g}, false discoveries at most {FALSE_DISCOVERIES:g}"
    return {"series": each.name, "samples": each.searched.samples, "series_searched": able, "rule": rule}


def _change_row(change: Change, corrected: float) -> Row:
    gradual, sized = change.kind == "gradual", bool(np.isfinite(change.effect_sd))
    return {
        "kind": change.kind, "step": round(change.step), "step_low": int(np.floor(change.step_low)),
        "step_high": int(np.ceil(change.step_high)), "step_10": round(change.start) if gradual else None,
        "step_90": round(change.end) if gradual else None, "effect": change.effect,
        "effect_sd": change.effect_sd if sized else None, "p": change.p, "p_corrected": corrected,
        "model": change.model, "note": None if sized else _NO_SIZE,
    }  # fmt: skip


def _no_change(searched: Searched, corrected: list[float]) -> Row:
    if searched.reason:
        return {"kind": "cannot tell", "note": searched.reason}
    p, own = min(zip([*(change.p for change in searched.changes), searched.p], corrected, strict=True))
    note = NO_CHANGE if p > LEVEL else NOT_AMONG_SO_MANY
    return {"kind": "none", "p": p, "p_corrected": own, "model": searched.model, "note": note}


def _milestone_rows(catalogue: Catalogue, run: str) -> Iterator[Row]:
    onset, peak = milestones(catalogue.query, run)
    yield _milestone("train_accuracy", onset.fitted, "training set known", onset.sentence)
    yield _milestone("val_accuracy", onset.step, "grokking onset", onset.sentence)
    if peak is not None:
        yield _milestone("val_loss", peak.step, "peak", peak.reason)
        reason = "the loss never falls to 20% of its peak" if peak.fallen is None else ""
        yield _milestone("val_loss", peak.fallen, "80% below the peak", peak.reason or reason)
        if peak.rebound is not None:
            yield _milestone("val_loss", peak.rebound.low_step, "minimum before a rebound", "")


def _milestone(series: str, step: int | None, rule: str, words: str) -> Row:
    row: dict[str, Any] = {
        "series": series, "kind": "milestone", "step": step, "step_low": step, "step_high": step, "rule": rule,
    }  # fmt: skip
    return row | {"note": words or "a rule, not a test: it has no effect size"}


ANALYSIS = TableAnalysis(
    table="transitions",
    definition=8,
    order=10,
    columns=(
        ("series", TEXT), ("kind", TEXT), ("step", BIGINT), ("step_low", BIGINT), ("step_high", BIGINT),
        ("step_10", BIGINT), ("step_90", BIGINT), ("effect", DOUBLE), ("effect_sd", DOUBLE), ("p", DOUBLE),
        ("p_corrected", DOUBLE), ("samples", BIGINT), ("series_searched", BIGINT), ("model", TEXT), ("rule", TEXT),
    ),
    needs=nothing,
    requires=tuple(analysis.table for analysis in _SEARCHED),
    sources=("runs", "metrics", "scalars", "tensors", "progress", "heads", "attempts"),
    rows=rows,
    # A milestone that was never reached has a row as well, and so has a series without a change.
    counted=lambda row: row.get("step") is not None,
    unit="transitions found",
)  # fmt: skip
