"""How the classes a + b mod p come apart inside the model: radius, spread and separation over training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from etl.errors import StrobeError
from etl.run.folder import Run
from strobe.analysis.circle_chance import TRIALS
from strobe.analysis.geometry import sum_classes
from strobe.derive.addition import AdditionModel
from strobe.derive.recorded_run import NotApplicableError, RecordedRun
from strobe.views.budget import evenly
from strobe.views.neurons import MOST_INPUTS
from strobe.views.run_view import Answer, RunView

MOST_STEPS: Final = 40
"""Snapshots that are run through the model; of more, evenly spaced ones."""
_PER_OPERATION: Final = 1e-11
"""Seconds; a forward pass takes two operations a parameter and token."""
_PER_STEP: Final = 0.1
"""Seconds of a snapshot whatever its size."""

Measures = Mapping[str, float]


@dataclass(frozen=True)
class ClassesPlan:
    """What the geometry of the classes would be computed from, before any of it is: every step is a forward pass."""

    model: AdditionModel
    p: int
    steps: list[int]
    """At which the model would be run."""
    seconds: float
    """About how long all of it would take."""

    @property
    def inputs(self) -> int:
        return self.p * self.p

    @property
    def too_many(self) -> str:
        """Why it is not computed, as a sentence; empty where it can be."""
        if self.inputs <= MOST_INPUTS:
            return ""
        return f"Not computed: {self.inputs:,} inputs are more than the {MOST_INPUTS:,} that are run here."


@dataclass(frozen=True)
class Sites:
    """The places of the residual stream, one after each layer; where there are none, `reason` says why."""

    names: Sequence[str] = ()
    reason: str = ""


def classes_plan(view: RunView) -> ClassesPlan | None:
    """Of a run that adds modulo p; None for another, and where its snapshots are not on this machine."""
    run, p = (view.snapshots(), view.modulus()) if view.steps else (None, None)
    if run is None or p is None:
        return None
    steps = evenly(view.steps, MOST_STEPS)
    seconds = len(steps) * (_PER_STEP + _PER_OPERATION * 2 * _parameters(run) * 3 * p * p)
    return ClassesPlan(AdditionModel(RecordedRun(run)), p, steps, seconds)


def _parameters(run: Run) -> int:
    tensors = run.manifest.raw["snapshot"]["tensors"]
    return sum(int(np.prod(tensor["shape"])) for tensor in tensors if tensor["section"] == "params")


def sites(plan: ClassesPlan) -> Sites:
    """Where in the model classes can be looked at."""
    try:
        plan.model.check()
        return Sites([f"after layer {layer}" for layer in range(plan.model.recorded.architecture.n_layer)])
    except NotApplicableError as error:
        return Sites(reason=f"Nothing to show for this run: {error}.")


def classes_at(plan: ClassesPlan, step: int) -> list[Measures]:
    """The measures of `SumClasses` by name, for each site; none where the snapshot cannot be run."""
    try:
        return [sum_classes(residual, plan.p)._asdict() for residual in plan.model.forward(step).residual]
    except (StrobeError, OSError):
        return []


def over_training(plan: ClassesPlan, measured: Mapping[int, Sequence[Measures]], site: int) -> Answer | None:
    """Rows (step, series, value) of what `classes_at` gave for each step, at one site; NULL where not defined. None
    where no snapshot could be run."""
    rows: list[dict[str, Any]] = [
        {"step": step, "series": name, "value": float(value) if np.isfinite(value) else None}
        for step in plan.steps
        if measured[step]
        for name, value in measured[step][site].items()
    ]
    if not rows:
        return None
    where = f" after layer {site}" if plan.model.recorded.architecture.n_layer > 1 else ""
    schema = pa.schema([("step", pa.int64()), ("series", pa.string()), ("value", pa.float64())])
    sql = f"-- computed from the snapshots: the residual stream at “=”{where}, for all inputs"
    return Answer(sql, pa.Table.from_pylist(rows, schema))


def circle_words(answer: Answer) -> str:
    """What the two measures of a circle are compared with, and what follows at the last step."""
    rows = [row for row in answer.table.to_pylist() if row["value"] is not None]
    last = max((row["step"] for row in rows), default=None)
    at = {row["series"]: row["value"] for row in rows if row["step"] == last}
    noise = (
        f"Of the centroids on their two principal axes. Noise, {TRIALS} times: the same centroids in shuffled order, "
        "best of all frequencies; and as many Gaussian points, as stretched."
    )
    said = [
        f"{words} {at[name]:.2f}, noise {at[f'{name}_noise']:.2f} on average, 95% below {at[f'{name}_bound']:.2f}: "
        + ("more than noise" if at[name] > at[f"{name}_bound"] else "not told from noise")
        for name, words in (("alignment", "in order"), ("circularity", "circularity"))
        if name in at and f"{name}_bound" in at
    ]
    if not said:
        return f"{noise} At no step is there enough to tell."
    return f"{noise} At step {last:,}: {'; '.join(said)}."
