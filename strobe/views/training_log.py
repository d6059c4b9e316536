"""What a training logged of its progress and of what it used: the metrics of every cost, read at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from strobe.views.configuration import configuration
from strobe.views.curves import Points, thinned
from strobe.views.run_view import RunView, literal

Floats = npt.NDArray[np.float64]

NAMES: Final = (
    "train_loss", "val_loss", "learning_rate", "tokens_seen", "mfu", "tokens_per_second", "step_time_ms",
    "memory_allocated_bytes", "memory_peak_bytes",
)  # fmt: skip
MOST_AT_ONCE: Final = 2_000_000
"""Rows that one query reads."""
DRAWN: Final = 1_000
"""Points of a line in a panel among others: more than it has pixels."""


@dataclass(frozen=True)
class Trace:
    """One metric in the order of steps, each (n,) float64; `time` (Unix s) and `tokens` are NaN where not logged."""

    step: Floats
    value: Floats
    time: Floats
    tokens: Floats

    def __len__(self) -> int:
        return len(self.step)

    def at(self, step: float) -> float | None:
        """The value recorded at this very step, where it is finite."""
        k = int(np.searchsorted(self.step, step))
        there = k < len(self) and self.step[k] == step and np.isfinite(self.value[k])
        return float(self.value[k]) if there else None

    def some(self, kept: Any) -> Trace:
        """The rows at indices, or where a mask is true."""
        return Trace(self.step[kept], self.value[kept], self.time[kept], self.tokens[kept])

    def finite(self) -> Trace:
        """The rows whose value is finite."""
        return self.some(np.isfinite(self.value))

    def drawn(self) -> Trace:
        """What a panel draws of it: every spike and both ends stay, breaks where values are not finite."""
        places = np.arange(len(self), dtype=np.float64)
        value = np.where(np.isfinite(self.value), self.value, np.nan)
        return self.some(thinned(Points(places, self.step, value), DRAWN).step.astype(np.int64))

    @property
    def lost_from(self) -> int | None:
        """The first step of a tail in which no value is finite; None where the last one is."""
        finite = np.flatnonzero(np.isfinite(self.value))
        after = int(finite[-1]) + 1 if len(finite) else 0
        return int(self.step[after]) if after < len(self) else None


NOTHING: Final = Trace(*(np.zeros(0) for _ in range(4)))


@dataclass(frozen=True)
class TrainingLog:
    """One run: its `row` of table `runs`, its configuration by key, and the metrics among NAMES that it logged."""

    row: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str | None] = field(default_factory=dict)
    traces: Mapping[str, Trace] = field(default_factory=dict)

    def trace(self, name: str) -> Trace:
        """A metric; one without rows where it was not logged."""
        return self.traces.get(name, NOTHING)

    def positive(self, name: str) -> Trace:
        """The rows of a metric that are finite and above 0: 0 tokens a second were not measured."""
        trace = self.trace(name)
        return trace.some(np.isfinite(trace.value) & (trace.value > 0))

    @property
    def last_step(self) -> int | None:
        """The last step that was recorded."""
        step: int | None = self.row.get("steps")
        return step


def training_log(view: RunView) -> TrainingLog:
    """Reads it. What is not in the store is empty."""
    run = literal(view.run)
    row = next(iter(view.rows(f"SELECT * FROM runs WHERE run = {run}")), {})
    names = ", ".join(map(literal, NAMES))
    known = view.rows(f"SELECT name, unit, n FROM metrics WHERE run = {run} AND name IN ({names}) ORDER BY name")
    traces: dict[str, Trace] = {}
    for some in _batches({each["name"]: each["n"] for each in known}):
        table = view.tables.once(
            f"SELECT name, step, value, time, tokens FROM scalars WHERE run = {run} "
            f"AND name IN ({', '.join(map(literal, some))}) ORDER BY step"
        )
        for name in some:
            own = table.filter(pc.equal(table["name"], name))
            columns = (own[key].cast("float64").to_numpy() for key in ("step", "value", "time", "tokens"))
            traces[name] = Trace(*columns)
    units = {each["name"]: each["unit"] for each in known}
    return TrainingLog(row, configuration(row.get("config")), units, traces)


def _batches(rows: Mapping[str, int]) -> Iterator[Sequence[str]]:
    """Names whose rows fit into one query together, and longer ones alone."""
    batch: list[str] = []
    for name, n in rows.items():
        if batch and sum(rows[other] for other in batch) + n > MOST_AT_ONCE:
            yield batch
            batch = []
        batch.append(name)
    if batch:
        yield batch
