"""What is read off the lines of a panel of curves, whatever is drawn of them: the legend's numbers, and the files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from strobe.charts.curves import Series
from strobe.ui.curves.options import CurveOptions
from strobe.ui.shell import cursor as step_cursor
from strobe.ui.shell.cache import cached_by_run
from strobe.ui.shell.page import Page
from strobe.ui.shell.parts import follow_server
from strobe.views import budget, curve_sql
from strobe.views.curves import NONE, Points, place_steps
from strobe.views.readings import (
    BYTES_EACH,
    Cursor,
    Placed,
    Readings,
    nothing,
    readings,
    smoothed,
    smoothed_at,
    stacked,
)
from strobe.views.run_view import RunView, Tables


@dataclass(frozen=True)
class DrawnLine:
    """One line on screen: what it looks like, its points, and what it is of: the curve, the place of its x = 0, and
    where it is smoothed what gives the `whole` series."""

    series: Series
    points: Points
    of: Placed
    whole: Callable[[], Points] | None = None


def readings_of(page: Page, lines: Sequence[DrawnLine], placed: Cursor) -> Readings:
    """What each line recorded at each step where the cursor can rest; of very many steps at those round it."""
    if not placed.steps:
        return nothing(len(lines))
    window = budget.window(placed.steps, step_cursor.settled(page.view), BYTES_EACH * len(lines))
    if not window.whole:
        follow_server()
    ends = window.steps[0], window.steps[-1]
    parts = []
    for line in lines:
        recorded = _recorded(page.view, page.of(line.of.curve.run), *_alike(page, placed, line.of), ends)
        parts.append(recorded if line.whole is None else smoothed(recorded, line.whole()))
    return stacked(parts)


def _alike(page: Page, placed: Cursor, of: Placed) -> tuple[str, float, Placed]:
    """The axis, the origin of the cursor's run and the curve's place that lead to the same readings, whatever was
    chosen: of its own run the steps alone count, and in steps how far two runs are shifted against each other."""
    if of.curve.run == page.run:
        return "step", 0.0, Placed(of.curve)
    if placed.axis == "step":
        return "step", 0.0, Placed(of.curve, of.origin - placed.origin)
    return placed.axis, placed.origin, of


@cached_by_run
def _recorded(
    view: RunView, tables: Tables, axis: str, origin: float, of: Placed, ends: tuple[int, int]
) -> Readings:  # fmt: skip
    """What a curve, in whose run's `tables` it is, recorded at the snapshots of a run from one step to another."""
    steps = [step for step in view.steps if ends[0] <= step <= ends[1]]
    xs = place_steps(view.tables, view.run, axis, steps) - origin
    return readings(tables, Cursor(view.run, steps, axis, origin, xs.tolist()), of)


def queries(page: Page, lines: Sequence[DrawnLine]) -> list[str]:
    """The query of what the legend says of each curve at the settled step."""
    step = step_cursor.settled(page.view)
    return [curve_sql.reading(line.of.curve.run, line.of.curve.metric, step) for line in lines if not line.series.of]


def every_row(page: Page, lines: Sequence[DrawnLine], view: CurveOptions) -> pa.Table:
    """series, run, metric, step, x (where that is not the step), value, and where that was asked for smoothed (NULL
    where there is none): every row of the curves as it was recorded."""
    tables = [_rows(page, line, view) for line in lines if not line.series.of]
    return pa.concat_tables(tables)


def _rows(page: Page, line: DrawnLine, view: CurveOptions) -> pa.Table:
    curve = line.of.curve
    # As many as there are, for one file: kept nowhere.
    rows = page.of(curve.run).once(curve_sql.every_row(curve.run, curve.metric, view.axis, origin=line.of.origin))
    names = {"series": line.series.label, "run": curve.run, "metric": curve.metric}
    for place, (name, text) in enumerate(names.items()):
        rows = rows.add_column(place, name, pa.array([text] * rows.num_rows, pa.string()))
    if view.axis == "step" and view.align == NONE:
        rows = rows.drop_columns(["x"])
    if line.whole is None:
        return rows
    values = smoothed_at(line.whole(), rows["step"].cast("float64").to_numpy())
    return rows.append_column("smoothed", pa.array(values, from_pandas=True))
