"""What the curves of many runs are made of, read by one query a metric and not by one a run: the answers that each
run is asked for then are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from strobe.ui.curves.options import CurveOptions
from strobe.ui.shell.cache import cached_by_run, holds, learn
from strobe.ui.shell.page import Page
from strobe.ui.shell.reader import RunTables, by_run
from strobe.views import curve_sql
from strobe.views.curves import LONG, NONE, Curve, Points, Window, long_points, metric_row
from strobe.views.readings import Cursor, status_sql

MANY: Final = 4
"""From so many runs on."""
MOST_TOGETHER: Final = 4_000_000
"""Points of one chart of which each curve that is thinned is kept whole: 64 MB, and a zoom reads nothing."""
MOST_KEPT: Final = 10_000_000
"""Points up to which at least the long curves are kept whole; of more, each is asked for what it shows."""

whole = cached_by_run(long_points)
"""Every point of a curve, kept."""


def read(page: Page, wanted: Sequence[Curve], view: CurveOptions, *, log: bool, window: Window) -> int:
    """Reads ahead where many runs are drawn. Returns from how many points on a curve is kept whole."""
    if len({curve.run for curve in wanted}) < MANY:
        return LONG
    for metric, runs in _by_metric(wanted).items():
        _metric_rows(page, runs, metric)
    points = {curve: (metric_row(page.of(curve.run), curve) or {}).get("n", 0) for curve in wanted}
    long = _long(sum(points.values()))
    # Where x is 0 at the first row of each run, each has a query of its own.
    if view.axis != "time":
        for metric in _by_metric(wanted):
            _whole(page, [curve for curve, n in points.items() if curve.metric == metric and n >= long], view.axis)
    # And where it is 0 at a moment of each.
    if view.align == NONE and view.axis != "time":
        for metric, runs in _by_metric([curve for curve, n in points.items() if 0 < n < long]).items():
            _points(page, runs, metric, view.axis, log, window)
    return long


def rows_at(page: Page, wanted: Sequence[Curve], view: CurveOptions, cursor: Cursor) -> dict[Curve, pa.Table]:
    """The rows of many runs that are read at the one step of a cursor, and what tells where their series end; none
    where steps of one run are not those of another, since each is asked for its own place then."""
    if len({curve.run for curve in wanted}) < MANY or view.axis != "step" or view.align != NONE:
        return {}
    at = cursor.steps[0]
    kept = {curve: _kept_row(page, curve, at) for curve in wanted}
    found = {curve: row for curve, row in kept.items() if row is not None}
    for metric, runs in _by_metric(wanted).items():
        _ends(page, runs, metric)
        asked = [curve for curve in wanted if curve.metric == metric and curve not in found]
        if asked:
            tables: RunTables = page.of(*[curve.run for curve in asked])
            rows = by_run(tables.once(curve_sql.rows_at(tables.runs, metric, at)), tables.runs)
            found |= {curve: rows[curve.run] for curve in asked}
    return found


def _kept_row(page: Page, curve: Curve, at: int) -> pa.Table | None:
    """The row of a curve that is kept whole; None where it is not, or where its value is no number: which of those it
    is, is not kept."""
    tables = page.of(curve.run)
    if not holds(whole, tables, curve, "step"):
        return None
    points: Points = whole(tables, curve, "step")
    k = int(np.searchsorted(points.step, at, side="right"))
    row = slice(max(0, k - 1), k)
    return None if np.isnan(points.y[row]).any() else pa.table({"step": points.step[row], "value": points.y[row]})


def _by_metric(wanted: Sequence[Curve]) -> dict[str, list[str]]:
    """Metric -> the runs of its curves."""
    made: dict[str, dict[str, None]] = {}
    for curve in wanted:
        made.setdefault(curve.metric, {})[curve.run] = None
    return {metric: list(runs) for metric, runs in made.items()}


def _long(total: int) -> int:
    if total <= MOST_TOGETHER:
        return curve_sql.POINTS + 1
    return LONG if total <= MOST_KEPT else total


def _metric_rows(page: Page, runs: Sequence[str], metric: str) -> None:
    sqls = {run: curve_sql.metric(run, metric) for run in runs}
    missing = {run: sql for run, sql in sqls.items() if not page.of(run).knows(sql)}
    _learn(page, missing, curve_sql.metric_of(list(missing), metric))


def _points(page: Page, runs: Sequence[str], metric: str, axis: str, log: bool, window: Window) -> None:
    sqls = {run: curve_sql.curve(run, metric, axis, log=log, window=window) for run in runs}
    missing = {run: sql for run, sql in sqls.items() if not page.of(run).knows(sql)}
    _learn(page, missing, curve_sql.curves(list(missing), metric, axis, log=log, window=window))


def _ends(page: Page, runs: Sequence[str], metric: str) -> None:
    """The last two places of each series, and whether its run is over."""
    for run in runs:
        sql, tables = status_sql(run), page.of(run)
        if not tables.knows(sql):
            tables.learn(sql, pa.table({"status": pa.array([page.rows[run].get("status")], pa.string())}))
    sqls = {run: curve_sql.last_places(run, metric) for run in runs}
    missing = {run: sql for run, sql in sqls.items() if not page.of(run).knows(sql)}
    _learn(page, missing, curve_sql.last_steps(list(missing), metric))


def _whole(page: Page, curves: Sequence[Curve], axis: str) -> None:
    """Every point of the curves of one metric, as `whole` has them."""
    missing = {curve.run: curve for curve in curves if not holds(whole, page.of(curve.run), curve, axis)}
    if len(missing) < MANY:
        return
    (metric,) = _by_metric(curves)
    tables: RunTables = page.of(*missing)
    for run, rows in by_run(tables.once(curve_sql.points_of(list(missing), metric, axis)), tables.runs).items():
        learn(whole, _in_order(rows, axis), page.of(run), missing[run], axis)


def _in_order(rows: pa.Table, axis: str) -> Points:
    step, x, y = (np.asarray(rows[name].cast("float64").to_numpy(), np.float64) for name in ("step", "x", "y"))
    order: Any = slice(None) if (np.diff(x) >= 0).all() else np.argsort(x, kind="stable")
    x = x[order]
    return Points(x if axis == "step" else step[order], x, y[order])


def _learn(page: Page, missing: dict[str, str], sql: str) -> None:
    """Answers each run's statement from one that answers all of them, whose rows have the run first."""
    if len(missing) < MANY:
        return
    tables: RunTables = page.of(*missing)
    for run, rows in by_run(tables.once(sql), tables.runs).items():
        page.of(run).learn(missing[run], rows.drop_columns(["run"]))
