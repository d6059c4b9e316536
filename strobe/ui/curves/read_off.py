"""What is read off the lines of a panel of curves, whatever is drawn of them: the legend's numbers, and the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from strobe.charts.curves import Series
from strobe.ui.curves.options import CurveOptions
from strobe.ui.shell import cursor as step_cursor
from strobe.ui.shell.page import Page
from strobe.ui.shell.parts import follow_server
from strobe.views import budget, curve_sql
from strobe.views.curves import NONE, Points
from strobe.views.readings import BYTES_EACH, Cursor, Placed, Readings, readings, smoothed, smoothed_at, stacked


@dataclass(frozen=True)
class DrawnLine:
    """One line on screen: what it looks like, its points, and what it is of: the curve, the place of its x = 0, and
    where it is smoothed the `whole` series."""

    series: Series
    points: Points
    of: Placed
    whole: Points | None = None


def readings_of(page: Page, lines: Sequence[DrawnLine], placed: Cursor) -> Readings:
    """What each line recorded at each step where the cursor can rest; of very many steps at those round it."""
    window = budget.window(placed.steps, step_cursor.settled(page.view), BYTES_EACH * len(lines))
    if not window.whole:
        follow_server()
        first = placed.steps.index(window.steps[0])
        placed = replace(placed, steps=window.steps, xs=placed.xs[first : first + len(window.steps)])
    curves = list(dict.fromkeys(line.of for line in lines))
    recorded = readings(page.reader, placed, curves)
    return stacked([_of(line, recorded, curves.index(line.of)) for line in lines])


def _of(line: DrawnLine, recorded: Readings, number: int) -> Readings:
    return recorded.rows([number]) if line.whole is None else smoothed(recorded, number, line.whole)


def every_row(page: Page, lines: Sequence[DrawnLine], view: CurveOptions) -> pa.Table:
    """series, run, metric, step, x (where that is not the step), value, and where that was asked for smoothed (NULL
    where there is none): every row of the curves as it was recorded."""
    tables = [_rows(page, line, view) for line in lines if not line.series.of]
    return pa.concat_tables(tables)


def _rows(page: Page, line: DrawnLine, view: CurveOptions) -> pa.Table:
    curve = line.of.curve
    rows = page.reader.ask(curve_sql.every_row(curve.run, curve.metric, view.axis, origin=line.of.origin)).table
    names = {"series": line.series.label, "run": curve.run, "metric": curve.metric}
    for place, (name, text) in enumerate(names.items()):
        rows = rows.add_column(place, name, pa.array([text] * rows.num_rows, pa.string()))
    if view.axis == "step" and view.align == NONE:
        rows = rows.drop_columns(["x"])
    if line.whole is None:
        return rows
    values = smoothed_at(line.whole, rows["step"].cast("float64").to_numpy())
    return rows.append_column("smoothed", pa.array(values, from_pandas=True))
