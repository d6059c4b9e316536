"""Curves of metrics: which points a line has, on which x axis, smoothed how, and what cannot be drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from strobe.analysis.smoothing import Floats, exponential, extremes, running_mean
from strobe.views import curve_sql
from strobe.views.curve_remarks import remarks_on
from strobe.views.milestones import Milestones, milestones
from strobe.views.run_view import Answer, Tables

X_AXES: Final = {
    "step": ("Steps", "step"), "tokens": ("Tokens", "tokens seen"), "epoch": ("Epochs", "epoch"),
    "time": ("Time", "time since the start"), "clock": ("Clock", "wall time"),
}  # fmt: skip
"""Axis -> the word on its button, and the words beside the axis."""

_COLUMNS: Final = {"tokens": "tokens", "epoch": "an epoch", "time": "a time", "clock": "a time"}
"""Axis -> what a row needs to have a place on it."""
NONE: Final = "none"
MOST_RAW: Final = 200_000
"""Points of one curve that a browser still draws at once when every point is asked for."""

Finder = Callable[[Tables, str], Milestones]
Window = tuple[float, float] | None
"""From where to where on the x axis; None for all of it."""


@dataclass(frozen=True)
class Curve:
    """One line to fetch: a metric of a run, and the word for its split."""

    run: str
    metric: str
    split: str


@dataclass(frozen=True)
class Smoothing:
    """`name`: "none", "ema-WEIGHT" or "mean-POINTS"."""

    name: str = NONE

    def words(self) -> str:
        """In words; empty where there is none."""
        kind, _, strength = self.name.partition("-")
        if kind == "ema":
            return f"exponential mean, weight {strength}"
        return f"mean of {int(strength):,} points" if kind == "mean" else ""

    def of(self, values: Floats) -> Floats:
        """`values` (n,) in the order of steps, smoothed."""
        kind, _, strength = self.name.partition("-")
        if kind == "ema":
            return exponential(values, float(strength))
        return running_mean(values, int(strength)) if kind == "mean" else values


@dataclass(frozen=True)
class Alignment:
    """Where x is 0: where runs began ("none"), at their grokking onset ("onset"), or at one step ("step")."""

    at: str = NONE
    step: int = 0

    def words(self) -> str:
        """How the x axis says it; empty where runs begin at 0."""
        if self.at == NONE:
            return ""
        return f", from {'the onset' if self.at == 'onset' else f'step {self.step:,}'} on"

    def origin(self, tables: Tables, run: str, axis: str, found: Finder = milestones) -> float | None:
        """Where x is 0 for this run, in units of the axis; None where it has no such place. The onset is `found`."""
        if self.at == NONE:
            return 0.0
        step: int | None = self.step
        if self.at == "onset":
            onset = found(tables, run).onset
            step = None if onset is None else onset.step
        if step is None:
            return None
        at = float(place_steps(tables, run, axis, [step])[0])
        return at if np.isfinite(at) else None


@dataclass(frozen=True)
class Points:
    """Points of one line, each (n,) float64, in the order of x. The line breaks where y is NaN."""

    step: Floats
    x: Floats
    y: Floats

    @property
    def count(self) -> int:
        """How many there are, without the breaks."""
        return int(np.isfinite(self.y).sum())

    def at(self, kept: Any) -> Points:
        """Those at the indices `kept`."""
        return Points(self.step[kept], self.x[kept], self.y[kept])

    def shifted(self, origin: float) -> Points:
        """The same, with x = 0 at `origin`."""
        return replace(self, x=self.x - origin) if origin else self


@dataclass(frozen=True)
class CurvePoints:
    """One metric of a run: the `raw` points that are drawn of the `total` that there are, the `smoothed` ones on top
    of them where that is asked for, what gives the `whole` smoothed series that they are of (x is 0 where the run
    began), the query, and remarks on what cannot be drawn."""

    raw: Points
    smoothed: Points | None
    whole: Callable[[], Points] | None
    total: int
    sql: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Range:
    """Which part of a curve is asked for: on which axis, from where on, within which window, for which scale."""

    axis: str = "step"
    origin: float = 0.0
    log: bool = False
    window: Window = None
    every_point: bool = False

    def unshifted(self) -> Range:
        """The same part, whose x is 0 where the run began: what is kept of a run is kept once, wherever it is
        aligned, and shifted when it is shown."""
        window = None if self.window is None else (self.window[0] + self.origin, self.window[1] + self.origin)
        return replace(self, origin=0.0, window=window)

    def query(self, curve: Curve, make: Callable[..., str]) -> str:
        """`curve_sql.curve` or `curve_sql.points` for this range."""
        return make(curve.run, curve.metric, self.axis, origin=self.origin, log=self.log, window=self.window)


Smoother = Callable[[Answer, Smoothing], Points]
LONG: Final = 50_000
"""From so many points on a curve is kept whole, so that a zoom reads nothing."""


def smooth(answer: Answer, smoothing: Smoothing) -> Points:
    """All points of an answer, smoothed; what is not finite has no part in it and stays a break."""
    points = points_of(answer)
    there = np.isfinite(points.y)
    smoothed = np.full(len(there), np.nan)
    smoothed[there] = smoothing.of(points.y[there])
    return Points(points.step, points.x, smoothed)


def points_of(answer: Answer) -> Points:
    """The columns step, x, y of an answer; NaN for NULL."""
    return Points(*(answer.table[name].cast("float64").to_numpy() for name in ("step", "x", "y")))


def metric_row(tables: Tables, curve: Curve) -> dict[str, Any] | None:
    """What the catalogue of metrics says of a curve; None where it was not recorded."""
    return next(iter(tables.ask(curve_sql.metric(curve.run, curve.metric)).table.to_pylist()), None)


def long_points(tables: Tables, curve: Curve, axis: str) -> Points:
    """Every point of a curve in the order of x, NaN where its value is not finite."""
    table = tables.once(curve_sql.points(curve.run, curve.metric, axis))
    step, x, y = (table[name].cast("float64").to_numpy() for name in ("step", "x", "y"))
    return Points(x if axis == "step" else step, x, y)


Keeper = Callable[[Tables, Curve, str], Points]


def read(
    tables: Tables, curve: Curve, part: Range, smoothing: Smoothing, label: str, row: dict[str, Any],
    smoother: Smoother = smooth, keeper: Keeper = long_points, long: int = LONG,
) -> CurvePoints:  # fmt: skip
    """The points of one metric with its `metric_row`. `label` begins the remarks; from `long` points on it is kept
    whole."""
    remarks: list[str] = []
    asked, make = part.unshifted(), curve_sql.curve
    if row["n"] >= long and not part.every_point:
        raw, total = _of_long(keeper(tables, curve, part.axis), asked)
    else:
        raw, total, make = _queried(tables, curve, asked, label, remarks)
    raw = raw.shifted(part.origin)
    # A page outlives its making, and a long series is not to: what needs it asks again.
    whole = partial(whole_series, tables, curve, part.axis, smoothing, smoother) if smoothing.words() else None
    smoothed = _seen(whole().shifted(part.origin), part) if whole is not None else None
    unplaced = _unplaced(tables, curve, part.axis, row["n"])
    remarks += remarks_on(label, row, part.log, (smoothed or raw).count, unplaced)
    return CurvePoints(raw, smoothed, whole, total, part.query(curve, make), tuple(remarks))


def _queried(
    tables: Tables, curve: Curve, asked: Range, label: str, remarks: list[str]
) -> tuple[Points, int, Callable[..., str]]:
    """(the points that are drawn, how many there are, what makes the query); what is too much is remarked on."""
    make: Callable[..., str] = curve_sql.curve
    answer = tables.ask(asked.query(curve, make))
    total = answer.table["n"][0].as_py() if answer.table.num_rows else 0
    if asked.every_point and total > points_of(answer).count:
        if total <= MOST_RAW:
            make = curve_sql.points
            answer = tables.ask(asked.query(curve, make))
        else:
            remarks.append(f"{label}: {total:,} points are too many to draw each; zoom in to {MOST_RAW:,}.")
    raw = points_of(answer)
    return raw.at(_with_breaks(raw.y)), total, make


def _of_long(whole: Points, part: Range) -> tuple[Points, int]:
    """(the points that are drawn of a window, how many there are), as `curve_sql.curve` has them."""
    if part.window is not None:
        first, last = np.searchsorted(whole.x, part.window[0]), np.searchsorted(whole.x, part.window[1], side="right")
        whole = whole.at(slice(first, last))
    if part.log:
        whole = replace(whole, y=np.where(whole.y > 0, whole.y, np.nan))
    return thinned(whole, curve_sql.POINTS), whole.count


def _unplaced(tables: Tables, curve: Curve, axis: str, rows: int) -> str:
    """How many of the rows of a metric have no place on an axis, and why; empty where all have one."""
    if axis == "step":
        return ""
    (none,) = tables.ask(curve_sql.unplaced(curve.run, curve.metric, axis)).table.to_pylist()
    if not none["n"]:
        return ""
    what = _COLUMNS[axis]
    if none["n"] == rows:
        return f"none of its {rows:,} rows was logged with {what}, so that it has no place on this axis."
    steps = f"step {none['first']:,}" if none["n"] == 1 else f"from step {none['first']:,} to {none['last']:,}"
    return f"{none['n']:,} of {rows:,} rows, {steps}, were logged without {what} and are left out on this axis."


def whole_series(tables: Tables, curve: Curve, axis: str, smoothing: Smoothing, smoother: Smoother) -> Points:
    """Smoothed over all its points in the order of steps, the same on every axis."""
    return smoother(tables.ask(curve_sql.series(curve.run, curve.metric, axis)), smoothing)


def _seen(points: Points, part: Range) -> Points:
    """Those of the smoothed points that can be drawn in the window, in the order of x, thinned."""
    keep = np.isfinite(points.x)
    if part.window is not None:
        keep = keep & (points.x >= part.window[0]) & (points.x <= part.window[1])
    kept = np.flatnonzero(keep)
    seen = points.at(kept[np.argsort(points.x[kept], kind="stable")])
    if part.log:
        seen = replace(seen, y=np.where(seen.y > 0, seen.y, np.nan))
    return thinned(seen, curve_sql.POINTS)


def thinned(points: Points, most: int) -> Points:
    """Of some points, in the order of x, at most about `most`: every spike and both ends stay. A line of more breaks
    where one of most / 4 equal stretches of x holds breaks and no point."""
    there = np.flatnonzero(np.isfinite(points.y))
    if len(there) <= most:
        return points.at(_with_breaks(points.y))
    xs = points.x[there]
    kept = there[extremes(xs, points.y[there], most)]
    breaks = np.flatnonzero(np.isnan(points.y))
    edges = np.linspace(xs[0], xs[-1], most // 4 + 1)
    full = np.bincount(np.searchsorted(edges, xs, "right"), minlength=len(edges) + 1) > 0
    breaks = breaks[~full[np.searchsorted(edges, points.x[breaks], "right")]]
    chosen = points.at(np.sort(np.concatenate([kept, breaks])))
    return chosen.at(_with_breaks(chosen.y))


def _with_breaks(y: Floats) -> Any:
    """Indices of the points, and between two of them of one break where there are any."""
    there = np.isfinite(y)
    after = np.concatenate([[False], there[:-1]])
    kept = np.flatnonzero(there | after)
    return kept[:-1] if len(kept) and not there[kept[-1]] else kept


def place_steps(tables: Tables, run: str, axis: str, steps: Sequence[int]) -> Floats:
    """Where steps stand on the x axis (float64): themselves, or what the logged rows say, linear between them."""
    wanted = np.asarray(steps, dtype=np.float64)
    if axis == "step" or not len(wanted):
        return wanted
    names = tables.ask(curve_sql.fullest_metric(run)).table["name"].to_pylist()
    table = tables.ask(curve_sql.curve(run, names[0] if names else "", axis)).table
    if not table.num_rows:
        return np.full(len(wanted), np.nan)
    return np.asarray(np.interp(wanted, table["step"].to_numpy(), table["x"].to_numpy()))


def step_at(tables: Tables, run: str, axis: str, x: float) -> int | None:
    """The step that stands at a place on the x axis, by the logged rows, linear between them; None if none does."""
    if axis == "step":
        return round(x)
    names = tables.ask(curve_sql.fullest_metric(run)).table["name"].to_pylist()
    table = tables.ask(curve_sql.curve(run, names[0] if names else "", axis)).table
    if not table.num_rows:
        return None
    return int(np.interp(x, table["x"].to_numpy(), table["step"].to_numpy()))


def available_axes(tables: Tables, run: str) -> list[str]:
    """Which x axes a run can be drawn on: step always, the others where they were logged."""
    rows = tables.ask(curve_sql.axes(run)).table.to_pylist()
    logged = rows[0] if rows else {}
    column = {"tokens": "tokens", "epoch": "epoch", "time": "time", "clock": "time"}
    return ["step", *(name for name, source in column.items() if logged.get(source))]
