"""The table `loss_check`: what was logged at each snapshot, beside what it gives when it is run again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from etl.checkpoints.run import open_run
from etl.store.accuracy import NAMES, accuracy_scale
from etl.store.catalogue import Catalogue
from strobe.analysis.loss_check import EXACT, METRICS, REDUCED, Tolerance, agrees
from strobe.analysis.loss_reason import Compared, Evidence
from strobe.analysis.tasks import BATCHES
from strobe.derive import progress
from strobe.derive.analysis import BIGINT, DOUBLE, TEXT, Row, TableAnalysis
from strobe.derive.recorded_run import RecordedRun
from strobe.derive.subject import Subject

NOT_LOGGED: Final = "not logged at this step"
OF_A_BATCH: Final = "the logged train loss is of a minibatch"
PERHAPS_OF_A_BATCH: Final = "it differs, and may be of a minibatch: the manifest does not say task.batches"
TAKEN_AFTER: Final = (
    "snapshots are taken after the update, so this value belongs to the parameters before it; what belongs to the "
    "snapshot would be logged a step later, and is not there"
)

_FEW_BITS: Final = ("bfloat16", "int8", "uint8")
_LOGGED: Final = """SELECT name, step, value FROM scalars
WHERE run = $1 AND name IN ('train_loss', 'val_loss', 'train_accuracy', 'val_accuracy')
  AND step IN (SELECT unnest([step - 1, step, step + 1]) FROM progress WHERE run = $1)"""
_ENDS: Final = """SELECT name, min, max FROM metrics WHERE run = $1 AND list_contains($2, name) AND min IS NOT NULL"""
_COMPUTED: Final = """SELECT split || '_' || if(measure = 'accuracy', measure, 'loss') AS name, step, value, note
FROM progress WHERE run = $1 AND measure IN ('model_loss', 'accuracy') ORDER BY step, name"""


def needs(subject: Subject) -> None:
    progress.ANALYSIS.check(subject)


@dataclass(frozen=True)
class _Terms:
    """On which the values of a run are compared."""

    tolerance: Tolerance
    batches: str | None
    """What a logged train loss is over: "full", our minibatches, or not known."""
    train_share: float | None
    rows_given: bool
    taken_after: bool
    """Whether snapshots hold the update that follows what the training loop computed its train loss with."""

    @classmethod
    def of(cls, subject: Subject) -> _Terms:
        params, manifest = subject.recorded.tensors("params"), subject.recorded.run.manifest
        reduced = any(each["dtype"] in _FEW_BITS for each in params)
        split, p = subject.addition.split, subject.addition.modulus
        share = None if split.train is None else len(split.train) / p**2
        batches = manifest.task.get("batches")
        after = manifest.training.get("updates_ahead") == 1 or any(
            each.get("taken") == "after_update" for each in manifest.raw["snapshot"]["tensors"]
        )
        known = batches if isinstance(batches, str) else None
        return cls(REDUCED if reduced else EXACT, known, share, split.given, after)


def rows(catalogue: Catalogue, run: str) -> list[Row]:
    """A row for each analysed snapshot and metric: `agrees` is NULL where it cannot be told, and `note` says why."""
    folder = catalogue.run(run).folder
    if folder is None:
        return []
    terms = _Terms.of(Subject(RecordedRun(open_run(folder))))
    logged = _Logged(
        {(row["name"], row["step"]): row["value"] for row in catalogue.query(_LOGGED, [run]).to_pylist()},
        {row["name"]: (row["min"], row["max"]) for row in catalogue.query(_ENDS, [run, list(NAMES)]).to_pylist()},
    )
    by_step: dict[int, dict[str, Row]] = {}
    for row in catalogue.query(_COMPUTED, [run]).to_pylist():
        by_step.setdefault(row["step"], {})[row["name"]] = row
    snapshots = [_Snapshot.of(step, computed, logged) for step, computed in by_step.items()]
    if terms.taken_after:
        _put_later(snapshots, terms.tolerance)
    made = [row for each in snapshots for row in each.rows(logged.scale, terms)]
    _give_reasons([row for row in made if row.get("agrees") is False], snapshots, terms)
    return made


class _Logged:
    """What was logged, by metric and step; percentages are shares here.

    `ends` has the least and the greatest value that a run logged of each accuracy.
    """

    def __init__(self, values: Mapping[tuple[str, int], float], ends: Mapping[str, tuple[float, float]]) -> None:
        whole = 100.0 if accuracy_scale(ends).unit == "percent" else 1.0
        self._values = values
        self.scale = {name: whole if name in NAMES else 1.0 for name in METRICS}

    def at(self, step: int) -> dict[str, float]:
        """By metric; those that were not logged at the step are absent."""
        return {
            name: value / self.scale[name]
            for name in METRICS
            if (value := self._values.get((name, step))) is not None
        }


@dataclass(frozen=True)
class _Snapshot:
    """What was logged at the step of a snapshot and beside it, and what the snapshot gives: by metric, as shares."""

    step: int
    logged: dict[str, float]
    earlier: dict[str, float]
    later: dict[str, float]
    computed: dict[str, float]
    missing: dict[str, str]
    """Why a value could not be computed."""
    notes: dict[str, str]
    """What is to be said of the value that is compared."""

    @classmethod
    def of(cls, step: int, computed: Mapping[str, Row], logged: _Logged) -> _Snapshot:
        known = {name: row["value"] for name, row in computed.items() if row["value"] is not None}
        missing = {name: row["note"] for name, row in computed.items() if row["value"] is None}
        return cls(step, logged.at(step), logged.at(step - 1), logged.at(step + 1), known, missing, {})

    def agrees(self, name: str, logged: Mapping[str, float], tolerance: Tolerance) -> bool:
        """False where one of the two is not known or not finite."""
        if name not in logged or name not in self.computed or not math.isfinite(logged[name]):
            return False
        return agrees(name, logged[name], self.computed[name], tolerance)

    def rows(self, scale: Mapping[str, float], terms: _Terms) -> Iterator[Row]:
        for name in METRICS:
            made: Row = {"step": self.step, "metric": name}
            for column, values in (("logged", self.logged), ("computed", self.computed)):
                made[column] = values[name] * scale[name] if name in values else None
            made["tolerance"] = terms.tolerance.accuracy if name.endswith("accuracy") else terms.tolerance.loss
            yield made | self._judged(name, terms)

    def _judged(self, name: str, terms: _Terms) -> dict[str, Any]:
        """`agrees`; or why that cannot be told."""
        if name not in self.logged or name not in self.computed:
            return {"note": NOT_LOGGED if name not in self.logged else self.missing.get(name, "not computed")}
        if name == "train_loss" and terms.batches == BATCHES:
            return {"note": OF_A_BATCH}
        if not math.isfinite(self.logged[name]):
            return {"note": "the logged value is not finite"}
        if self.agrees(name, self.logged, terms.tolerance):
            return {"agrees": True, "note": self.notes.get(name)}
        whole = ("full",) if name == "train_loss" else ("full", BATCHES)
        of_a_batch = name.startswith("train") and terms.batches not in whole
        if why := PERHAPS_OF_A_BATCH if of_a_batch else self.notes.get(name):
            return {"note": why}
        return {"agrees": False, "note": None}

    def evidence(self, batches: str | None) -> Compared:
        """The values that speak for a reason: finite, and no loss of a minibatch."""
        kept = [name for name in METRICS if name != "train_loss" or batches != BATCHES]
        logged, earlier, later = (
            {name: values[name] for name in kept if name in values and math.isfinite(values[name])}
            for values in (self.logged, self.earlier, self.later)
        )
        return Compared(logged, self.computed, earlier, later)


def _put_later(snapshots: Sequence[_Snapshot], tolerance: Tolerance) -> None:
    """Where snapshots are taken after the update: compare what was logged a step later, if that is what they give.

    Train, which a loop computes before the update, is always of the step before; val is where all of it fits so.
    """
    for name in METRICS:
        fits = [each.agrees(name, each.later, tolerance) for each in snapshots if name in each.later]
        of_step_before = name.startswith("train") or (bool(fits) and all(fits))
        for each in snapshots if of_step_before else ():
            if name not in each.logged or each.agrees(name, each.logged, tolerance):
                continue
            if each.agrees(name, each.later, tolerance):
                each.logged[name] = each.later[name]
                each.notes[name] = f"logged at step {each.step + 1:,}: snapshots are taken after the update"
            elif name not in each.later:
                each.notes[name] = TAKEN_AFTER


def _give_reasons(wrong: Sequence[Row], snapshots: Sequence[_Snapshot], terms: _Terms) -> None:
    """Put what is likely into rows that disagree."""
    compared = [each.evidence(terms.batches) for each in snapshots]
    found = Evidence(compared, terms.tolerance, train_share=terms.train_share, rows_given=terms.rows_given)
    why = {name: found.reason(name) for name in {row["metric"] for row in wrong}}
    for row in wrong:
        row["likely"] = why[row["metric"]]


ANALYSIS = TableAnalysis(
    table="loss_check",
    definition=3,
    order=20,
    value="agrees",
    columns=(
        ("step", BIGINT), ("metric", TEXT), ("logged", DOUBLE), ("computed", DOUBLE), ("tolerance", DOUBLE),
        ("agrees", pa.bool_()), ("likely", TEXT),
    ),
    needs=needs,
    sources=("scalars", "metrics", "progress", "attempts"),
    requires=("progress",),
    rows=rows,
    counted=lambda row: row.get("agrees") is not None,
    unit="logged values compared",
)  # fmt: skip
