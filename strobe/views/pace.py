"""How fast a run went and how long it took: tokens a second, percentiles of a step's time, and its clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from strobe.views.budget import evenly
from strobe.views.cost import beside_no_evaluation
from strobe.views.training_log import DRAWN, NOTHING, Floats, Trace, TrainingLog
from strobe.views.words import count, number

PERCENTILES: Final = (50, 90, 99)


@dataclass(frozen=True)
class StepTimes:
    """`percentiles` in seconds, of `counted` steps; `left_out` were slow beside an evaluation. Without any, `reason`
    says why."""

    percentiles: dict[int, float] = field(default_factory=dict)
    counted: int = 0
    left_out: int = 0
    reason: str = ""

    def words(self) -> str:
        """Empty where there are none."""
        if not self.percentiles:
            return ""
        parts = ", ".join(f"{percent}%: {number(value)} s" for percent, value in self.percentiles.items())
        beside = f", without {count(self.left_out)} slow ones beside evaluations" if self.left_out else ""
        return f"{parts} (of {count(self.counted)} steps{beside})"


@dataclass(frozen=True)
class Rate:
    """Tokens a second: `trace`, as logged or `recomputed` from the time of each step; its `mean` without `left_out`
    rows beside evaluations. Without any, `reason` says why."""

    trace: Trace = NOTHING
    recomputed: bool = False
    mean: float | None = None
    left_out: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Clock:
    """Seconds since the first logged row at some steps, each (n,): by logged times, or where `summed` by the times of
    the steps. Without either, `reason` says why."""

    step: Floats = field(default_factory=lambda: np.zeros(0))
    seconds: Floats = field(default_factory=lambda: np.zeros(0))
    summed: bool = False
    reason: str = ""
    start: float = 0.0
    """Unix time of the first logged row."""

    @property
    def total(self) -> float | None:
        return float(self.seconds.max()) if len(self.seconds) else None

    def drawn(self) -> Clock:
        """The same at as many steps as a panel has room for."""
        kept = evenly(range(len(self.step)), DRAWN)
        return replace(self, step=self.step[kept], seconds=self.seconds[kept])

    def at(self, steps: Floats) -> Floats:
        """Seconds (n,) at `steps` (n,), linear between the known ones; NaN beyond them."""
        if not len(self.step):
            return np.full(len(steps), np.nan)
        return np.asarray(np.interp(steps, self.step, self.seconds, left=np.nan, right=np.nan))


def step_times(log: TrainingLog) -> StepTimes:
    """Percentiles of the times of steps, without those that an evaluation made slow."""
    times = log.positive("step_time_ms")
    if not len(times):
        return StepTimes(reason="no time of a step was logged")
    kept = beside_no_evaluation(times, times, log.trace("val_loss"))
    values = np.percentile(times.value[kept] / 1e3, PERCENTILES)
    found = dict(zip(PERCENTILES, values.tolist(), strict=True))
    return StepTimes(found, int(kept.sum()), int((~kept).sum()))


def rate(log: TrainingLog) -> Rate:
    """Tokens a second, logged or recomputed."""
    logged, times, each = (
        log.positive("tokens_per_second"),
        log.positive("step_time_ms"),
        log.row.get("tokens_per_step"),
    )
    if len(logged):
        kept = beside_no_evaluation(logged, times, log.trace("val_loss"))
        return Rate(logged, False, float(logged.value[kept].mean()), int((~kept).sum()))
    if not len(times) or not each:
        lacking = [] if len(times) else ["no time of a step was logged"]
        lacking += [] if each else ["the tokens of a step are not known"]
        return Rate(reason=f"tokens a second were not logged, and {' and '.join(lacking)}")
    made = replace(times, value=each / (times.value / 1e3))
    kept = beside_no_evaluation(made, times, log.trace("val_loss"))
    return Rate(made, True, float(made.value[kept].mean()), int((~kept).sum()))


def clock(log: TrainingLog) -> Clock:
    """When each step was."""
    timed = [trace.some(np.isfinite(trace.time)) for trace in log.traces.values() if np.isfinite(trace.time).any()]
    if timed:
        at, first = np.unique(np.concatenate([trace.step for trace in timed]), return_index=True)
        times = np.concatenate([trace.time for trace in timed])[first]
        return Clock(at, times - times.min(), start=float(times.min()))
    steps = log.positive("step_time_ms")
    if len(steps) < 2:
        return Clock(reason="neither times nor times of steps were logged")
    # Of steps between two logged ones each is taken to last as long as the second.
    seconds = np.concatenate([[0.0], np.cumsum(np.diff(steps.step) * steps.value[1:] / 1e3)])
    return Clock(steps.step, seconds, summed=True)
