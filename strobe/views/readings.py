"""What series recorded at the steps where the cursor can rest: exact, whatever a panel draws of them.

At each of these steps a series is read off its last row there or before, and every reading has the step of its row,
so that no value stands beside another row's step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa

from strobe.views.curve_sql import place
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
    sql: str = field(default="", compare=False)

    def rows(self, numbers: Sequence[int]) -> Readings:
        """The same of some series, in this order."""
        chosen = list(numbers)
        return Readings(self.at, self.step[chosen], self.value[chosen], self.state[chosen], self.sql)

    def arrays(self) -> dict[str, Array]:
        """What travels to a panel of curves."""
        return {"read_step": self.step, "read_value": self.value, "read_state": self.state}


def sql(cursor: Cursor, series: Sequence[Placed]) -> str:
    """One row for each series (by number) and step of the cursor: series, cursor_step, step, value, ended."""
    runs = ", ".join(f"({k}, {literal(each.curve.run)})" for k, each in enumerate(series))
    rows = "\n  UNION ALL ".join(_rows(cursor, k, each) for k, each in enumerate(series))
    return f"""WITH series AS (
  SELECT number, status FROM (VALUES {runs}) AS asked(number, run) LEFT JOIN runs USING (run)
), recorded AS (
  {rows}
), ends AS (
  SELECT number, max(place, 2) AS last FROM recorded GROUP BY number
), looked AS (
  SELECT series.number, status, cursor_step, {_wanted(cursor, series)} AS place
  FROM series, ({_stops(cursor, series)})
)
SELECT looked.number AS series, cursor_step, step, value,
  coalesce(status, '') <> 'running' AND looked.place > 2 * last[1] - coalesce(last[2], last[1]) AS ended
FROM looked ASOF LEFT JOIN recorded ON looked.number = recorded.number AND looked.place >= recorded.place
LEFT JOIN ends ON looked.number = ends.number
ORDER BY series, cursor_step"""


def _by_step(cursor: Cursor, each: Placed) -> bool:
    """Whether a series is looked up by step: by x are those of other runs, on an axis that is not the step."""
    return cursor.axis == "step" or each.curve.run == cursor.run


def _rows(cursor: Cursor, number: int, each: Placed) -> str:
    where = f"WHERE run = {literal(each.curve.run)} AND name = {literal(each.curve.metric)}"
    if _by_step(cursor, each):
        # In steps of the cursor's run: a run that is aligned elsewhere is looked at as many steps from there.
        shift = 0.0 if each.curve.run == cursor.run else cursor.origin - each.origin
        moved = f" + {literal(shift)}" if shift else ""
        return f"SELECT {number} AS number, step, value, (step{moved})::DOUBLE AS place FROM scalars {where}"
    x = place(each.curve.run, cursor.axis, each.origin)
    # Of rows at one place the last counts.
    return (
        f"SELECT {number} AS number, max(step) AS step, arg_max(value, step) AS value, {x} AS place "
        f"FROM scalars {where} AND isfinite({x}) GROUP BY place"
    )


def _wanted(cursor: Cursor, series: Sequence[Placed]) -> str:
    by_x = [str(k) for k, each in enumerate(series) if not _by_step(cursor, each)]
    if not by_x:
        return "cursor_step::DOUBLE"
    return f"CASE WHEN series.number IN ({', '.join(by_x)}) THEN x ELSE cursor_step END"


def _stops(cursor: Cursor, series: Sequence[Placed]) -> str:
    """Where the cursor can rest, as `cursor_step` and, where it is asked for, `x`."""
    if all(_by_step(cursor, each) for each in series):
        first, last = cursor.steps[0], cursor.steps[-1]
        return (
            f"SELECT DISTINCT step AS cursor_step FROM snapshots WHERE run = {literal(cursor.run)} "
            f"AND file IS NOT NULL AND step BETWEEN {first} AND {last}"
        )
    steps, xs = (", ".join(literal(value) for value in values) for values in (cursor.steps, cursor.xs))
    return f"SELECT unnest([{steps}]) AS cursor_step, unnest([{xs}]::DOUBLE[]) AS x"


def readings(tables: Tables, cursor: Cursor, series: Sequence[Placed]) -> Readings:
    """What was recorded of each series, by one query."""
    if not cursor.steps or not series:
        return nothing(len(series))
    query = sql(cursor, series)
    table = tables.ask(query).table
    shape = len(series), len(cursor.steps)
    step, value = (_floats(table[name]).reshape(shape) for name in ("step", "value"))
    ended = table["ended"].fill_null(False).to_numpy(zero_copy_only=False).reshape(shape)
    state = np.where(np.isnan(step), State.NOT_YET, np.where(ended, State.ENDED, State.RECORDED))
    return Readings(tuple(cursor.steps), step, value, state.astype(np.uint8), query)


def nothing(series: int = 0) -> Readings:
    """No step to read at."""
    none = np.zeros((series, 0))
    return Readings((), none, none, none.astype(np.uint8))


def smoothed(recorded: Readings, number: int, points: Points) -> Readings:
    """The readings of the smoothed `points` of a series, one value a finite row, at the rows that were read of it:
    NaN where the row is not finite."""
    wanted = recorded.step[number]
    value = smoothed_at(points, wanted)
    return Readings(recorded.at, wanted[None], value[None], recorded.state[number][None], recorded.sql)


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
    return Readings(parts[0].at, step, value, state, parts[0].sql)


def of_rows(table: pa.Table, names: Sequence[str], at: Sequence[int], by: str = "series") -> Readings:
    """The same of rows at hand: columns `by`, step and value (NULL: not measured), for the series `names`."""
    if not at:
        return nothing(len(names))
    which = table[by].to_numpy(zero_copy_only=False)
    steps, values = _floats(table["step"]), _floats(table["value"])
    null = table["value"].is_null().to_numpy(zero_copy_only=False)
    made = [_of_one(steps[own], values[own], null[own], at) for own in (which == name for name in names)]
    step, value, state = (np.stack(part) for part in zip(*made, strict=True)) if made else np.zeros((3, 0, len(at)))
    return Readings(tuple(at), step, value, state.astype(np.uint8))


def _of_one(steps: Array, values: Array, null: Array, at: Sequence[int]) -> tuple[Array, Array, Array]:
    order = np.argsort(steps, kind="stable")
    place = np.searchsorted(steps[order], np.asarray(at, np.float64), side="right") - 1
    before = place < 0
    if before.all():
        none = np.full(len(at), np.nan)
        return none, none, np.full(len(at), State.NOT_YET)
    row = order[np.maximum(place, 0)]
    state = np.where(before, State.NOT_YET, np.where(null[row], State.NOT_MEASURED, State.RECORDED))
    return np.where(before, np.nan, steps[row]), np.where(before | null[row], np.nan, values[row]), state


def _floats(column: pa.ChunkedArray) -> Array:
    """float64, NaN for NULL."""
    return np.asarray(column.cast("float64").to_numpy(zero_copy_only=False), np.float64)
