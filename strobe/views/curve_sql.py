"""The SQL of curves, as text: what runs is what the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from strobe.views.run_view import literal

POINTS: Final = 2000
"""Points of a curve that a screen can show."""

_BUCKETS: Final = POINTS // 4
_KNOWN: Final = "name, unit, n, last_value, min, max, nonfinite, first_nonfinite_step"

X_AXES: Final = {"step": "step", "tokens": "tokens", "epoch": "epoch", "time": "time", "clock": "time"}


def place(run: str, axis: str, origin: float) -> str:
    """Where a row of table `scalars` stands on an x axis that is 0 at `origin` (DOUBLE)."""
    start = f" - (SELECT min(time) FROM scalars WHERE run = {literal(run)})" if axis == "time" else ""
    shift = f" - {literal(float(origin))}" if origin else ""
    return f"({X_AXES[axis]}{start}{shift})::DOUBLE"


def points(
    run: str, metric: str, axis: str = "step", *, origin: float = 0.0, log: bool = False,
    window: tuple[float, float] | None = None, after: int | None = None,
) -> str:  # fmt: skip
    """Every row of one metric that has a place on the axis, as step, x, y in the order of x. y is NULL where a line
    breaks: the value is not finite, or not above 0 on a log axis. `origin` is where x is 0, in units of x; `after` is
    the step behind which they are asked for."""
    where = f"run = {literal(run)}" + (f" AND step > {after}" if after is not None else "")
    return f"{_placed(where, place(run, axis, origin), metric, log, window)}\nORDER BY x"


def _placed(where: str, x: str, metric: str, log: bool, window: tuple[float, float] | None, first: str = "") -> str:
    """The rows of one metric `where`, as step, x, y, and before them what is `first`."""
    limits = [where, f"name = {literal(metric)}", "x IS NOT NULL"]
    drawn = "isfinite(value) AND value > 0" if log else "isfinite(value)"
    if window is not None:
        limits.append(f"x BETWEEN {literal(float(window[0]))} AND {literal(float(window[1]))}")
    return f"""SELECT {first}step, {x} AS x, CASE WHEN {drawn} THEN value END AS y
FROM scalars WHERE {" AND ".join(limits)}"""


def extent(run: str, metric: str, step: int) -> str:
    """Whether a metric has grown behind a step alone: how many rows there are up to it (before), how many of all were
    replaced, and the last attempt."""
    return f"""SELECT count(*) FILTER (step <= {step}) AS before, count(*) FILTER (attempt < 0) AS replaced,
  max(attempt) AS attempt, count(*) AS n
FROM scalars_all WHERE run = {literal(run)} AND name = {literal(metric)}"""


def every_row(run: str, metric: str, axis: str = "step", *, origin: float = 0.0) -> str:
    """Every row of one metric as it was recorded: step, x, value, in the order of steps."""
    return f"""SELECT step, {place(run, axis, origin)} AS x, value
FROM scalars WHERE run = {literal(run)} AND name = {literal(metric)}
ORDER BY step"""


def series(run: str, metric: str, axis: str = "step", *, origin: float = 0.0) -> str:
    """Every row of one metric, as step, x, y in the order of steps; x is NULL where a row has no place, y where its
    value is not finite."""
    return f"""SELECT step, {place(run, axis, origin)} AS x, CASE WHEN isfinite(value) THEN value END AS y
FROM scalars WHERE run = {literal(run)} AND name = {literal(metric)}
ORDER BY step"""


def unplaced(run: str, metric: str, axis: str) -> str:
    """How many rows of one metric have no place on an axis, and from which step to which."""
    return f"""SELECT count(*) AS n, min(step) AS first, max(step) AS last
FROM scalars WHERE run = {literal(run)} AND name = {literal(metric)} AND {X_AXES[axis]} IS NULL"""


def values(run: str, metric: str, axis: str = "step", *, origin: float = 0.0) -> str:
    """step and value of every row of one metric, in any order; on another axis than the step x too, of the rows that
    have one."""
    own = f"FROM scalars WHERE run = {literal(run)} AND name = {literal(metric)}"
    if axis == "step":
        return f"SELECT step, value {own}"
    x = place(run, axis, origin)
    return f"SELECT step, {x} AS x, value {own} AND isfinite({x})"


def reading(run: str, metric: str, step: int) -> str:
    """The last row of one metric at a step or before it: what a legend says there."""
    return f"""SELECT step, value FROM scalars
WHERE run = {literal(run)} AND name = {literal(metric)} AND step <= {step}
ORDER BY step DESC LIMIT 1"""


def row_at(run: str, metric: str, at: float, axis: str = "step", *, origin: float = 0.0) -> str:
    """The last row of one metric at a place on an axis or before it: step and value."""
    own = f"FROM scalars WHERE run = {literal(run)} AND name = {literal(metric)}"
    if axis == "step" and not origin:
        # By a greatest step, which is found without an order of all rows before it.
        return f"""SELECT step, value {own}
AND step = (SELECT max(step) {own} AND step <= {literal(float(at))}) LIMIT 1"""
    x = place(run, axis, origin)
    return f"""SELECT step, value {own} AND isfinite({x}) AND {x} <= {literal(float(at))}
ORDER BY {x} DESC, step DESC LIMIT 1"""


def rows_at(runs: Sequence[str], metric: str, at: float) -> str:
    """What `row_at` gives at a step of each of several runs, with the run first."""
    own = f"FROM scalars WHERE run IN ({_listed(runs)}) AND name = {literal(metric)} AND step <= {literal(float(at))}"
    return f"""WITH last AS (SELECT run, max(step) AS step {own} GROUP BY run)
SELECT run, step, any_value(value) AS value
FROM (SELECT run, step, value {own}) JOIN last USING (run, step) GROUP BY run, step"""


def last_steps(runs: Sequence[str], metric: str) -> str:
    """What `last_places` gives on the axis of steps of each of several runs, with the run first."""
    own = f"SELECT run, step FROM scalars WHERE run IN ({_listed(runs)}) AND name = {literal(metric)}"
    return f"""WITH own AS ({own}), last AS (
  SELECT run, max(step) AS step FROM own GROUP BY run
), ends AS (
  FROM last UNION ALL
  SELECT o.run, max(o.step) FROM own o JOIN last l USING (run) WHERE o.step < l.step GROUP BY o.run
)
SELECT run, step::DOUBLE AS x FROM ends ORDER BY run, x DESC"""


def last_places(run: str, metric: str, axis: str = "step", *, origin: float = 0.0) -> str:
    """The last two places on an axis at which a metric has rows, the last one first (x)."""
    x = place(run, axis, origin)
    return f"""WITH placed AS (
  SELECT {x} AS x FROM scalars WHERE run = {literal(run)} AND name = {literal(metric)} AND isfinite({x})
), ends AS (
  SELECT max(x) AS x FROM placed UNION ALL SELECT max(x) FROM placed WHERE x < (SELECT max(x) FROM placed)
)
SELECT x FROM ends WHERE x IS NOT NULL ORDER BY x DESC"""


def not_finite(run: str, metric: str, axis: str = "step", *, origin: float = 0.0, most: int = 200) -> str:
    """The stretches of one metric that are not finite, at most so many: from where to where on an axis (x_from,
    x_to), the first step, and how many of their values are NaN, infinity (up) and minus infinity (down)."""
    return f"""WITH placed AS (
  SELECT step, {place(run, axis, origin)} AS x, value, isfinite(value) AS drawn FROM scalars
  WHERE run = {literal(run)} AND name = {literal(metric)} AND x IS NOT NULL
), numbered AS (
  SELECT *, row_number() OVER (ORDER BY x, step) AS i FROM placed
), stretches AS (
  SELECT *, i - row_number() OVER (ORDER BY i) AS stretch FROM numbered WHERE NOT drawn
)
SELECT min(x) AS x_from, max(x) AS x_to, min(step) AS first, count(*) FILTER (isnan(value)) AS nan,
  count(*) FILTER (value = 'inf'::DOUBLE) AS up, count(*) FILTER (value = '-inf'::DOUBLE) AS down
FROM stretches GROUP BY stretch ORDER BY x_from LIMIT {most}"""


def curve(
    run: str, metric: str, axis: str = "step", *, origin: float = 0.0, log: bool = False,
    window: tuple[float, float] | None = None,
) -> str:  # fmt: skip
    """At most 2,000 points of one metric: step, x, y and n, the number there are, and where y is NULL a break of the
    line, which n does not count.

    Where there are more, the axis is cut into 500 buckets and each keeps its first, last, least and greatest point:
    no spike is lost and both ends stay. A bucket that holds rows but no point is a break. A window (x from, x to)
    does the same inside it.
    """
    return _thinned(_placed(f"run = {literal(run)}", place(run, axis, origin), metric, log, window))


def curves(
    runs: Sequence[str], metric: str, axis: str = "step", *, log: bool = False,
    window: tuple[float, float] | None = None,
) -> str:  # fmt: skip
    """What `curve` gives of each of several runs, with the run first; on an axis whose 0 is the same for all."""
    where = f"run IN ({_listed(runs)})"
    return _thinned(_placed(where, f"{X_AXES[axis]}::DOUBLE", metric, log, window, "run, "), "run, ")


def points_of(runs: Sequence[str], metric: str, axis: str = "step") -> str:
    """What `points` gives of each of several runs, with the run first, in any order; on an axis whose 0 is the same
    for all."""
    return _placed(f"run IN ({_listed(runs)})", f"{X_AXES[axis]}::DOUBLE", metric, False, None, "run, ")


def _thinned(inside: str, first: str = "") -> str:
    """At most 2,000 of the rows step, x, y of each of what they are told apart by, which is `first`."""
    by = first.removesuffix(", ")
    group, join = (f" GROUP BY {by}", f" JOIN span USING ({by})") if by else ("", ", span")
    return f"""WITH inside AS (
{inside}
), span AS (
  SELECT {first}count(y) AS n, count(*) - count(y) AS breaks, min(x) FILTER (y IS NOT NULL) AS low,
    max(x) FILTER (y IS NOT NULL) AS high
  FROM inside{group}
), buckets AS (
  SELECT {first}struct_pack(step := step, x := x, y := y) AS p, if(y IS NULL, NULL, x) AS drawn_at, x, y, n,
    CASE WHEN greatest(n, breaks) <= {POINTS} THEN step
      ELSE floor((x - low) * {_BUCKETS} / nullif(high - low, 0)) END AS bucket
  FROM inside{join} WHERE y IS NOT NULL OR (x > low AND x < high)
), kept AS (
  SELECT {first}unnest(CASE WHEN count(y) = 0 THEN [arg_min(p, x)]
    ELSE list_distinct([arg_min(p, drawn_at), arg_max(p, drawn_at), arg_min(p, y), arg_max(p, y)]) END) AS p,
    any_value(n) AS n
  FROM buckets GROUP BY {first}bucket
)
SELECT {first}p.step AS step, p.x AS x, p.y AS y, n FROM kept ORDER BY {first}x"""


def metric(run: str, name: str) -> str:
    """What is known of one metric of a run: count, unit, last value, and what is not finite. No row: not recorded."""
    return f"""SELECT {_KNOWN}
FROM metrics WHERE run = {literal(run)} AND name = {literal(name)}"""


def metric_of(runs: Sequence[str], name: str) -> str:
    """The same of several runs, with the run first."""
    return f"""SELECT run, {_KNOWN}
FROM metrics WHERE run IN ({_listed(runs)}) AND name = {literal(name)}"""


def _listed(runs: Sequence[str]) -> str:
    return ", ".join(map(literal, runs)) or "NULL"


def fullest_metric(run: str) -> str:
    """The metric that tells best where steps stand on other axes: the test loss, else the one with most points."""
    return f"""SELECT name FROM metrics WHERE run = {literal(run)}
ORDER BY name = 'val_loss' DESC, n DESC, name LIMIT 1"""


def catalogue(runs: Sequence[str]) -> str:
    """Every metric that any of the runs has, by name, with the number of its points and its ends."""
    return f"""SELECT name, max(n) AS n, count(*) AS runs, min(min) AS low, max(max) AS high
FROM metrics WHERE run IN ({_listed(runs)}) GROUP BY name ORDER BY name"""


def axes(run: str) -> str:
    """How many rows have tokens, epochs and times."""
    return f"""SELECT count(tokens) AS tokens, count(epoch) AS epoch, count(time) AS time
FROM scalars WHERE run = {literal(run)}"""
