"""A curve of a run that is being recorded: what was read of it stays, and what was logged since is put behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strobe.views import curve_sql
from strobe.views.curves import Curve, Points, long_points
from strobe.views.run_view import Tables


@dataclass(frozen=True)
class Grown:
    """Every point of a curve at one version of its run; `rows`, `replaced` and `attempt` tell whether what comes
    later lies behind them all. `read` is how many points the last look has read."""

    version: str
    points: Points
    rows: int
    replaced: int
    attempt: int | None
    read: int


def grown(tables: Tables, curve: Curve, axis: str, before: Grown | None) -> Grown:
    """The points of a curve, in the order of x, NaN where a value is not finite. Those after the last step of
    `before` alone are read, unless a row of it was replaced, or one came between its rows."""
    version = tables.key[1]
    if before is not None and before.version == version:
        return before
    last = _last_step(before)
    (now,) = tables.once(curve_sql.extent(curve.run, curve.metric, last)).to_pylist()
    facts = int(now["n"]), int(now["replaced"]), now["attempt"]
    if before is not None and (now["before"], *facts[1:]) == (before.rows, before.replaced, before.attempt):
        new = _after(tables, curve, axis, last)
        if not len(new.x) or not len(before.points.x) or new.x[0] >= before.points.x[-1]:
            return Grown(version, _joined(before.points, new), *facts, read=len(new.x))
    whole = long_points(tables, curve, axis)
    return Grown(version, whole, *facts, read=len(whole.x))


def _last_step(before: Grown | None) -> int:
    return int(before.points.step.max()) if before is not None and len(before.points.step) else -1


def _after(tables: Tables, curve: Curve, axis: str, step: int) -> Points:
    table = tables.once(curve_sql.points(curve.run, curve.metric, axis, after=step))
    steps, x, y = (table[name].cast("float64").to_numpy() for name in ("step", "x", "y"))
    return Points(x if axis == "step" else steps, x, y)


def _joined(first: Points, then: Points) -> Points:
    if not len(then.x):
        return first
    step, x, y = (np.concatenate([getattr(first, name), getattr(then, name)]) for name in ("step", "x", "y"))
    return Points(x if first.step is first.x else step, x, y)
