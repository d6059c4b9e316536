"""The table `transitions`: a run's milestones, and the change-points of the series that tell of structure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from etl.store.catalogue import Catalogue
from strobe.analysis.change_points import change_points
from strobe.derive.analysis import BIGINT, DOUBLE, TEXT, Row, TableAnalysis, nothing
from strobe.derive.milestones import milestones
from strobe.derive.recorded_run import Array

MOST_SAMPLES = 500
"""Of a series: longer ones are thinned evenly, both ends kept, and each interval is as wide as that makes it."""

_SERIES = """
SELECT name AS series, step, value, contains(name, 'loss') AS log FROM scalars
WHERE run = $1 AND name IN ('val_loss', 'val_accuracy', 'train_accuracy', 'grad_norm')
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


def rows(catalogue: Catalogue, run: str) -> list[Row]:
    """Milestones and change-points of one run, from what its other tables hold now."""
    made = list(_milestone_rows(catalogue, run))
    for name, log, steps, values in _series(catalogue.query(_SERIES, [run])):
        rule = "change-point of log10" if log else "change-point"
        made += [
            {"series": name, "step": int(shift.step), "step_low": int(shift.step_low),
             "step_high": int(shift.step_high), "effect": shift.effect, "rule": rule}
            for shift in change_points(steps, values)
        ]  # fmt: skip
    return made


def _series(table: pa.Table) -> Iterator[tuple[str, bool, Array, Array]]:
    """(name, whether values are log10, steps, values) of each series: finite values, thinned evenly to 500."""
    names = table["series"].to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1])) if len(names) else np.zeros(0, int)
    for first, last in zip(starts, [*starts[1:], len(names)], strict=False):
        part = table.slice(first, last - first)
        value, log = part["value"].cast("float64").to_numpy(), part["log"][0].as_py()
        good = np.flatnonzero(np.isfinite(value) & (value > 0) if log else np.isfinite(value))
        if len(good) > MOST_SAMPLES:
            good = good[np.linspace(0, len(good) - 1, MOST_SAMPLES).round().astype(int)]
        yield str(names[first]), log, part["step"].to_numpy()[good], np.log10(value[good]) if log else value[good]


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
    row: dict[str, Any] = {"series": series, "step": step, "step_low": step, "step_high": step, "rule": rule}
    return row | {"note": words or "a rule, not a test: it has no effect size"}


ANALYSIS = TableAnalysis(
    table="transitions",
    definition=2,
    order=10,
    columns=(
        ("series", TEXT), ("step", BIGINT), ("step_low", BIGINT), ("step_high", BIGINT), ("effect", DOUBLE),
        ("rule", TEXT),
    ),
    needs=nothing,
    sources=("runs", "metrics", "scalars", "tensors", "progress", "heads", "attempts"),
    rows=rows,
    # A milestone that was never reached has a row as well, which says so.
    counted=lambda row: row["step"] is not None,
    unit="transitions found",
)  # fmt: skip
