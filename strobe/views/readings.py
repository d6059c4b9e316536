"""What series recorded at the steps where the cursor can rest: exact, whatever a panel draws of them.

At each of these steps a series is read off its last row there or before, and every reading has the step of its row,
so that no value stands beside another row's step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from strobe.views import curve_sql
from strobe.views.curves import Curve, Points
from strobe.views.run_view import Tables, literal

BYTES_EACH: Final = 17
"""What one reading of one line takes in a panel."""

Array = np.ndarray[Any, Any]


class State(IntEnum):
    """What a reading is. The browser has the same numbers."""

    RECORDED = 0
    NOT_YET = 1
    """The first row comes later."""
    ENDED = 2
    """The series is further behind its last row than that is behind the one before, in a run that is over."""
    NOT_MEASURED = 3
    """The row says that there is no value."""
    NO_PLACE = 4
    """No row has a place on the axis."""


@dataclass(frozen=True)
class Cursor:
    """Where the cursor can rest: the snapshots of `run` at `steps` (ascending), at the places `xs` of the x axis
    `axis`, which is 0 where `origin` says."""

    run: str
    steps: Sequence[int]
    axis: str = "step"
    origin: float = 0.0
    xs: Sequence[float] = ()


@dataclass(frozen=True)
class Placed:
    """A curve and where x is 0 for its run, in units of the cursor's axis."""

    curve: Curve
    origin: float = 0.0


@dataclass(frozen=True)
class Readings:
    """Of each series (row) at each of the steps `at` (column): the `step` of the row that was read (float64, NaN
    where there is none yet), its `value` (float64, as recorded) and its `state` (uint8, a State)."""

    at: Sequence[int]
    step: Array
    value: Array
    state: Array

    def rows(self, numbers: Sequence[int]) -> Readings:
        """The same of some series, in this order."""
        chosen = list(numbers)
        return Readings(self.at, self.step[chosen], self.value[chosen], self.state[chosen])

    def arrays(self) -> dict[str, Array]:
        """What travels to a panel of curves."""
        return {"read_step": self.step, "read_value": self.value, "read_state": self.state}


def readings(tables: Tables, cursor: Cursor, placed: Placed) -> Readings:
    """What was recorded of one series where the cursor can rest."""
    curve, own = placed.curve, placed.curve.run == cursor.run
    if own or cursor.axis == "step":
        # In steps of the cursor's run: a run that is aligned elsewhere is looked at as many steps from there.
        shift = 0.0 if own else cursor.origin - placed.origin
        table = tables.once(curve_sql.values(curve.run, curve.metric))
        steps, wanted = _floats(table["step"]), np.asarray(cursor.steps, np.float64)
        places = steps + shift
    else:
        table = tables.once(curve_sql.values(curve.run, curve.metric, cursor.axis, origin=placed.origin))
        steps, places, wanted = _floats(table["step"]), _floats(table["x"]), np.asarray(cursor.xs, np.float64)
    values, null = _floats(table["value"]), np.zeros(len(steps), bool)
    order = _in_order(steps, places)
    read = _of_one(places[order], steps[order], values[order], null, wanted)
    if not len(steps) and cursor.axis != "step" and not own:
        read.state[:] = State.NO_PLACE
    if len(steps) and not _running(tables, curve.run):
        read.state[wanted > _end(places[order])] = State.ENDED
    return Readings(tuple(cursor.steps), read.step[None], read.value[None], read.state[None])


def reading_at(tables: Tables, cursor: Cursor, placed: Placed, row: pa.Table | None = None) -> Readings:
    """The same at the one step of a cursor, of a series however long: only the rows that count are asked for, unless
    the `row` of `curve_sql.row_at` is at hand."""
    curve, own = placed.curve, placed.curve.run == cursor.run
    by_step = own or cursor.axis == "step"
    shift = 0.0 if own else cursor.origin - placed.origin
    wanted = cursor.steps[0] - shift if by_step else cursor.xs[0]
    axis, origin = ("step", 0.0) if by_step else (cursor.axis, placed.origin)
    ends = _floats(tables.ask(curve_sql.last_places(curve.run, curve.metric, axis, origin=origin)).table["x"])
    if row is None:
        row = tables.once(curve_sql.row_at(curve.run, curve.metric, wanted, axis, origin=origin))
    state = State.RECORDED if row.num_rows else State.NOT_YET
    if not len(ends) and not by_step:
        state = State.NO_PLACE
    if len(ends) and wanted > _end(ends[::-1]) and not _running(tables, curve.run):
        state = State.ENDED
    step, value = (_floats(row[name]) if row.num_rows else np.full(1, np.nan) for name in ("step", "value"))
    return Readings(tuple(cursor.steps), step[None], value[None], np.full((1, 1), state, np.uint8))


def _end(places: Array) -> float:
    """As far behind the last of some places (ascending) as that is behind the one before."""
    last = float(places[-1])
    before = np.searchsorted(places, last) - 1
    return last + (last - float(places[before])) if before >= 0 else last


def status_sql(run: str) -> str:
    """Whether a run is over."""
    return f"SELECT status FROM runs WHERE run = {literal(run)}"


def _running(tables: Tables, run: str) -> bool:
    table = tables.ask(status_sql(run)).table
    return "running" in table["status"].to_pylist()


def nothing(series: int = 0) -> Readings:
    """No step to read at."""
    none = np.zeros((series, 0))
    return Readings((), none, none, none.astype(np.uint8))


def smoothed(recorded: Readings, points: Points) -> Readings:
    """The readings of the smoothed `points` of a series, one value a finite row, at the rows that were read of it:
    NaN where the row is not finite."""
    value = smoothed_at(points, recorded.step[0])
    return Readings(recorded.at, recorded.step, value[None], recorded.state)


def smoothed_at(points: Points, steps: Array) -> Array:
    """(n,) float64: the smoothed `points` at `steps` (n,), NaN where there is no point at exactly that step."""
    order = np.argsort(points.step, kind="stable")
    there = points.step[order]
    value = np.full(steps.shape, np.nan)
    if len(there):
        place = np.maximum(np.searchsorted(there, steps, side="right") - 1, 0)
        hit = there[place] == steps
        value[hit] = points.y[order][place[hit]]
    return value


def stacked(parts: Sequence[Readings]) -> Readings:
    """One after another, of the same steps."""
    if not parts:
        return nothing()
    names = ("step", "value", "state")
    step, value, state = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return Readings(parts[0].at, step, value, state)


def of_rows(table: pa.Table, names: Sequence[str], at: Sequence[int], by: str = "series") -> Readings:
    """The same of rows at hand: columns `by`, step and value (NULL: not measured), for the series `names`."""
    if not at:
        return nothing(len(names))
    which, wanted = table[by].to_numpy(zero_copy_only=False), np.asarray(at, np.float64)
    steps, values = _floats(table["step"]), _floats(table["value"])
    null = table["value"].is_null().to_numpy(zero_copy_only=False)
    parts = []
    for name in names:
        own = np.flatnonzero(which == name)
        own = own[np.argsort(steps[own], kind="stable")]
        read = _of_one(steps[own], steps[own], values[own], null[own], wanted)
        parts.append(Readings(tuple(at), read.step[None], read.value[None], read.state[None]))
    return stacked(parts)


class _Read(NamedTuple):
    """What was read at each wanted place: (n,) each."""

    step: Array
    value: Array
    state: Array


def _in_order(steps: Array, places: Array) -> Array:
    """Of rows by their places, and of those at one place by their steps."""
    if (np.diff(places) > 0).all():
        return np.arange(len(places))
    by_step = np.argsort(steps, kind="stable")
    return np.asarray(by_step[np.argsort(places[by_step], kind="stable")])


def _of_one(places: Array, steps: Array, values: Array, null: Array, wanted: Array) -> _Read:
    """The last of the rows (ascending by their places) at each of the `wanted` places or before it."""
    row = np.searchsorted(places, wanted, side="right") - 1
    before = row < 0
    if before.all():
        none = np.full(len(wanted), np.nan)
        return _Read(none, none, np.full(len(wanted), State.NOT_YET, np.uint8))
    row = np.maximum(row, 0)
    state = np.where(before, State.NOT_YET, np.where(null[row], State.NOT_MEASURED, State.RECORDED)).astype(np.uint8)
    return _Read(np.where(before, np.nan, steps[row]), np.where(before | null[row], np.nan, values[row]), state)


def _floats(column: pa.ChunkedArray) -> Array:
    """float64, NaN for NULL."""
    return np.asarray(column.cast("float64").to_numpy(zero_copy_only=False), np.float64)
