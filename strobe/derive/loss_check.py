"""The table `loss_check`: what was logged at each snapshot, beside what it gives when it is run again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from etl.run.folder import Run
from etl.store.catalogue import Catalogue
from strobe.analysis.loss_check import EXACT, METRICS, REDUCED, Tolerance, agrees, likely_reason
from strobe.analysis.tasks import BATCHES
from strobe.derive import progress
from strobe.derive.analysis import BIGINT, DOUBLE, TEXT, Row, TableAnalysis
from strobe.derive.recorded_run import RecordedRun
from strobe.derive.subject import Subject

NOT_LOGGED: Final = "not logged at this step"
OF_A_BATCH: Final = "the logged train loss is of a minibatch"
PERHAPS_OF_A_BATCH: Final = "it differs, and may be of a minibatch: the manifest does not say task.batches"

_FEW_BITS: Final = ("bfloat16", "int8", "uint8")
_LOGGED: Final = """SELECT name, step, value FROM scalars
WHERE run = $1 AND name IN ('train_loss', 'val_loss', 'train_accuracy', 'val_accuracy')
  AND step IN (SELECT unnest([step - 1, step, step + 1]) FROM progress WHERE run = $1)"""
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

    @classmethod
    def of(cls, subject: Subject) -> _Terms:
        reduced = any(each["dtype"] in _FEW_BITS for each in subject.recorded.tensors("params"))
        split, p = subject.addition.split, subject.addition.modulus
        share = None if split.train is None else len(split.train) / p**2
        batches = subject.recorded.run.manifest.task.get("batches")
        return cls(REDUCED if reduced else EXACT, batches if isinstance(batches, str) else None, share)


def rows(catalogue: Catalogue, run: str) -> list[Row]:
    """A row for each analysed snapshot and metric: `agrees` is NULL where it cannot be told, and `note` says why."""
    folder = catalogue.run(run).folder
    if folder is None:
        return []
    terms = _Terms.of(Subject(RecordedRun(Run(folder))))
    logged = _Logged(
        {(row["name"], row["step"]): row["value"] for row in catalogue.query(_LOGGED, [run]).to_pylist()}
    )
    by_step: dict[int, dict[str, Row]] = {}
    for row in catalogue.query(_COMPUTED, [run]).to_pylist():
        by_step.setdefault(row["step"], {})[row["name"]] = row
    return [row for step, computed in by_step.items() for row in _step_rows(step, computed, logged, terms)]


class _Logged:
    """What was logged, by metric and step. Accuracies that go above 1 are percentages, and are shares here."""

    def __init__(self, values: Mapping[tuple[str, int], float]) -> None:
        self._values = values
        self.scale = {
            name: 100.0 if name.endswith("accuracy") and self._highest(name) > 1 else 1.0 for name in METRICS
        }

    def _highest(self, metric: str) -> float:
        return max((value for (name, _), value in self._values.items() if name == metric), default=0.0)

    def at(self, step: int) -> dict[str, float]:
        """By metric; those that were not logged at the step are absent."""
        return {
            name: value / self.scale[name]
            for name in METRICS
            if (value := self._values.get((name, step))) is not None
        }


def _step_rows(step: int, computed: Mapping[str, Row], logged: _Logged, terms: _Terms) -> Iterator[Row]:
    here, known = logged.at(step), {name: row["value"] for name, row in computed.items() if row["value"] is not None}
    for name in METRICS:
        scale, value, row = logged.scale[name], here.get(name), computed.get(name)
        made: Row = {"step": step, "metric": name, "logged": None if value is None else value * scale}
        made |= {"computed": known[name] * scale if name in known else None}
        made |= {"tolerance": terms.tolerance.accuracy if name.endswith("accuracy") else terms.tolerance.loss}
        if value is None or name not in known:
            yield made | {"note": NOT_LOGGED if value is None else row["note"] if row else "not computed"}
            continue
        beside = tuple(near[name] for at in (step - 1, step + 1) if name in (near := logged.at(at)))
        yield made | _judged(name, here, known, terms, beside)


def _judged(
    name: str, logged: Mapping[str, float], computed: Mapping[str, float], terms: _Terms, beside: tuple[float, ...]
) -> dict[str, Any]:
    """`agrees`, and why not; or why that cannot be told."""
    if name == "train_loss" and terms.batches == BATCHES:
        return {"note": OF_A_BATCH}
    if not math.isfinite(logged[name]):
        return {"note": "the logged value is not finite"}
    if agrees(name, logged[name], computed[name], terms.tolerance):
        return {"agrees": True, "note": None}
    whole = ("full",) if name == "train_loss" else ("full", BATCHES)
    if name.startswith("train") and terms.batches not in whole:
        return {"note": PERHAPS_OF_A_BATCH}
    usable = {each: value for each, value in logged.items() if math.isfinite(value)}
    if terms.batches == BATCHES:
        usable.pop("train_loss", None)
    reason = likely_reason(name, usable, computed, terms.tolerance, train_share=terms.train_share, beside=beside)
    return {"agrees": False, "likely": reason, "note": None}


ANALYSIS = TableAnalysis(
    table="loss_check",
    definition=1,
    order=20,
    columns=(
        ("step", BIGINT), ("metric", TEXT), ("logged", DOUBLE), ("computed", DOUBLE), ("tolerance", DOUBLE),
        ("agrees", pa.bool_()), ("likely", TEXT),
    ),
    needs=needs,
    sources=("scalars", "progress", "attempts"),
    rows=rows,
    counted=lambda row: row.get("agrees") is not None,
    unit="logged values compared",
)  # fmt: skip
