"""One run among those that are compared: all that its panels and its column of results are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np

from strobe.views.configuration import DEVICES, whole
from strobe.views.cost import Cost, cost_of
from strobe.views.memory_use import MemoryUse, memory_use
from strobe.views.pace import Clock, Rate, StepTimes, clock, rate, step_times
from strobe.views.run_view import RunView
from strobe.views.schedule import Schedule, schedule
from strobe.views.tokens_seen import TokensSeen, tokens_seen
from strobe.views.training_log import NOTHING, Floats, Trace, TrainingLog, training_log

Axis = Literal["step", "tokens", "time", "onset"]
AXES: Final[dict[Axis, str]] = {
    "step": "step", "tokens": "tokens seen", "time": "time since the first row", "onset": "steps from the onset",
}  # fmt: skip
"""Where runs are laid beside each other -> the words of the axis."""
MOST_NATS: Final = 50.0
"""A loss above this is no cross-entropy of a token in nats, and has no perplexity."""


@dataclass(frozen=True)
class Ends:
    """Of a loss: its last finite value, the lowest, and from which step on none is finite."""

    last: float | None = None
    last_step: int | None = None
    lowest: float | None = None
    lowest_step: int | None = None
    lost_from: int | None = None


@dataclass(frozen=True)
class RunUse:
    """Of one run; metrics as they are drawn, what is said of them of all rows."""

    run: str
    status: str = "unknown"
    train: Trace = NOTHING
    val: Trace = NOTHING
    train_ends: Ends = field(default_factory=Ends)
    val_ends: Ends = field(default_factory=Ends)
    no_perplexity: str = "no loss was logged"
    """Why its losses have none; empty where they are cross-entropies in nats."""
    schedule: Schedule = field(default_factory=lambda: Schedule(np.zeros(0), np.zeros(0)))
    tokens: TokensSeen = field(default_factory=TokensSeen)
    cost: Cost = field(default_factory=Cost)
    mfu: Trace = NOTHING
    rate: Rate = field(default_factory=Rate)
    times: StepTimes = field(default_factory=StepTimes)
    clock: Clock = field(default_factory=Clock)
    memory: MemoryUse = field(default_factory=MemoryUse)
    devices: int | None = None
    """None where it is not known how many."""
    steps: int | None = None

    def place(self, axis: Axis, trace: Trace, onset: int | None) -> Floats:
        """Where the rows of a metric stand on an axis, (n,); NaN where they have no place."""
        if axis == "time" and len(self.clock.step) and not self.clock.summed and np.isfinite(trace.time).any():
            return trace.time - self.clock.start
        return self.place_steps(axis, trace.step, onset)

    def place_steps(self, axis: Axis, steps: Floats, onset: int | None) -> Floats:
        """Where steps (n,) stand on an axis."""
        if axis == "tokens":
            return self.tokens.at(steps)
        if axis == "time":
            return self.clock.at(steps)
        return steps - (0 if axis == "step" else math.nan if onset is None else onset)

    def no_place(self, axis: Axis, onset: int | None) -> str:
        """Why the run has no place on an axis; empty where it has one."""
        if axis == "tokens" and not self.tokens.source:
            return f"left out, since its tokens were not logged and cannot be counted: {self.tokens.reason}"
        if axis == "time" and self.clock.total is None:
            return f"left out, since {self.clock.reason}"
        return "left out, since it has no onset" if axis == "onset" and onset is None else ""


def run_use(view: RunView) -> RunUse:
    """Reads the log of a run and draws from it what is compared."""
    return use_of(view.run, training_log(view))


def use_of(run: str, log: TrainingLog) -> RunUse:
    """The same, of what was read already."""
    train, val, memory, paced = log.trace("train_loss"), log.trace("val_loss"), memory_use(log), rate(log)
    tokens, timed = tokens_seen(log), clock(log)
    return RunUse(
        run, str(log.row.get("status") or "unknown"), train.drawn(), val.drawn(), _ends(train), _ends(val),
        _no_perplexity(log, train, val), schedule(log), replace(tokens, logged=tokens.logged.drawn()), cost_of(log),
        log.positive("mfu").drawn(), replace(paced, trace=paced.trace.drawn()), step_times(log), timed.drawn(),
        replace(memory, allocated=memory.allocated.drawn(), peak=memory.peak.drawn()),
        whole(log.config, DEVICES), log.last_step,
    )  # fmt: skip


def _no_perplexity(log: TrainingLog, *losses: Trace) -> str:
    finite = np.concatenate([trace.finite().value for trace in losses])
    if not len(finite):
        return "no loss was logged"
    told = {log.units.get(name) for name in ("train_loss", "val_loss")} - {None}
    if other := sorted(str(unit) for unit in told - {"nats"}):
        return f"the loss is in {' and '.join(other)}"
    if not told:
        return "what the loss is measured in is not known; a setting loss='cross_entropy' says that it is in nats"
    if float(finite.min()) < 0 or float(finite.max()) >= MOST_NATS:
        return f"the loss is no cross-entropy in nats: it goes from {finite.min():.3g} to {finite.max():.3g}"
    return ""


def _ends(trace: Trace) -> Ends:
    finite = trace.finite()
    if not len(finite):
        return Ends(lost_from=trace.lost_from)
    low = int(np.argmin(finite.value))
    at: tuple[Any, ...] = (finite.value[-1], finite.step[-1], finite.value[low], finite.step[low])
    return Ends(float(at[0]), int(at[1]), float(at[2]), int(at[3]), trace.lost_from)
