"""What the curves of many runs are drawn from, read by one query a metric and not by one a run: the answers that each
run is asked for then are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from strobe.ui.curves.options import CurveOptions
from strobe.ui.shell.page import Page
from strobe.ui.shell.reader import RunTables, by_run
from strobe.views import curve_sql
from strobe.views.curves import LONG, NONE, Curve, Window, metric_row

MANY: Final = 4
"""From so many runs on."""
MOST_KEPT: Final = 10_000_000
"""Points of one chart that are kept whole so that a zoom reads nothing; of more, each is asked for what it shows."""


def read(page: Page, wanted: Sequence[Curve], view: CurveOptions, *, log: bool, window: Window) -> int:
    """Reads ahead where many runs are drawn. Returns from how many points on a curve is kept whole."""
    runs = list(dict.fromkeys(curve.run for curve in wanted))
    if len(runs) < MANY:
        return LONG
    for metric in dict.fromkeys(curve.metric for curve in wanted):
        _metric_rows(page, runs, metric)
    points = {curve: (metric_row(page.of(curve.run), curve) or {}).get("n", 0) for curve in wanted}
    total = sum(points.values())
    long = LONG if total <= MOST_KEPT else total
    # Where x is 0 at a moment of each run, or at its first row, each has a query of its own.
    if view.align == NONE and view.axis != "time":
        for metric in dict.fromkeys(curve.metric for curve in wanted):
            own = [curve.run for curve, n in points.items() if curve.metric == metric and 0 < n < long]
            _points(page, own, metric, view.axis, log, window)
    return long


def _metric_rows(page: Page, runs: Sequence[str], metric: str) -> None:
    sqls = {run: curve_sql.metric(run, metric) for run in runs}
    missing = {run: sql for run, sql in sqls.items() if not page.of(run).knows(sql)}
    _learn(page, missing, curve_sql.metric_of(list(missing), metric))


def _points(page: Page, runs: Sequence[str], metric: str, axis: str, log: bool, window: Window) -> None:
    sqls = {run: curve_sql.curve(run, metric, axis, log=log, window=window) for run in runs}
    missing = {run: sql for run, sql in sqls.items() if not page.of(run).knows(sql)}
    _learn(page, missing, curve_sql.curves(list(missing), metric, axis, log=log, window=window))


def _learn(page: Page, missing: dict[str, str], sql: str) -> None:
    """Answers each run's statement from one that answers all of them, whose rows have the run first."""
    if len(missing) < MANY:
        return
    tables: RunTables = page.of(*missing)
    for run, rows in by_run(tables.once(sql), tables.runs).items():
        page.of(run).learn(missing[run], rows.drop_columns(["run"]))
