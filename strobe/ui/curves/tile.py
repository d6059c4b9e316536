"""One chart of the grid, as it travels: its lines, where they are not finite, its moments, and what is said of it."""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np

from strobe.charts.lost import Gap
from strobe.ui.curves import panel
from strobe.ui.curves.options import CurveOptions
from strobe.ui.panel.kinds import line_of, placed_marks
from strobe.ui.shell.page import Page
from strobe.views.curves import Curve, Window, thinned
from strobe.views.lost import lost
from strobe.views.metric_sections import MetricChart
from strobe.views.metric_units import units_of
from strobe.views.split_curves import curves_of

Arrays = dict[str, np.ndarray[Any, Any]]
_PARTS: Final = {"x": "x", "y": "y", "s": "step"}
MOST_BYTES: Final = 2_000_000
"""Of the points of one chart: 1,250 a line of a hundred."""
_POINT_BYTES: Final = 16


def wanted(page: Page, chart: MetricChart, view: CurveOptions) -> list[Curve]:
    """The curves of a chart, whether they were recorded or not."""
    runs = view.runs(page)
    if chart.splits:
        return curves_of(page.of(*runs), runs, chart.metrics)
    return [Curve(run, metric, "") for run in runs for metric in chart.metrics]


def tile(
    page: Page, chart: MetricChart, view: CurveOptions, log: bool, window: Window, name: str, arrays: Arrays,
    fetched: panel.Drawn,
) -> dict[str, Any]:  # fmt: skip
    """The header of one chart, of the lines that were `fetched`; its arrays go to `arrays`, their names beginning
    with `name`. `whole` tells of a line whether every row of it is here and finite, so that it can be read off
    without the server."""
    curves = wanted(page, chart, view)
    drawn = _fitting(fetched)
    units = units_of(page.of(*view.runs(page)), view.runs(page), chart.metrics)
    own: Arrays = {}
    lines = []
    for k, line in enumerate(drawn.lines):
        curve = line.of.curve
        own |= {f"{name}{part}{k}": getattr(line.points, column) for part, column in _PARTS.items()}
        if np.array_equal(line.points.x, line.points.step):
            del own[f"{name}s{k}"]
        row = panel.recorded_row(page, curve) or {}
        places = lost(page.of(curve.run), curve, view.axis, line.of.origin) if row.get("nonfinite") else ()
        told = {
            "id": f"{curve.run}|{curve.split}",
            "split": curve.split,
            "whole": not row.get("nonfinite") and line.points.count == row.get("n"),
            "ended": None if page.rows[curve.run].get("status") == "running" else _end(line.points.x),
            "lost": [[one.start, one.end, one.step, one.nan, one.up, one.down] for one in places],
        }
        lines.append(asdict(line_of(line.series, line.of.origin, line.whole is not None)) | told)
    moments = panel.marks(page, curves, drawn, view, curves[0].metric)
    title = units.title(chart.quantity)
    names = ", ".join(line.series.label for line in drawn.lines if not line.series.of)
    made = {
        "name": name, "log": log, "window": window, "lines": lines, "title": title,
        "unit": title.removeprefix(chart.quantity),
        "marks": list(map(_plain, placed_marks(moments))),
        "notes": [*drawn.remarks, *filter(None, [units.note({run: page.title_of(run) for run in view.runs(page)})])],
        "shown": drawn.shown, "total": drawn.total,
        "alt": f"{title} against {view.x_title()}: {names}; {drawn.shown:,} points. The files have the numbers.",
    }  # fmt: skip
    made["token"] = _token(made, own)
    arrays |= own
    return made


def _fitting(drawn: panel.Drawn) -> panel.Drawn:
    """The same with as many points of each line as travel together."""
    most = MOST_BYTES // (_POINT_BYTES * max(1, len(drawn.lines)))
    if all(len(line.points.x) <= most for line in drawn.lines):
        return drawn
    lines = [replace(line, points=thinned(line.points, most)) for line in drawn.lines]
    return replace(drawn, lines=lines, shown=sum(line.points.count for line in lines if line.whole is None))


def gaps_of(page: Page, drawn: panel.Drawn, view: CurveOptions) -> list[Gap]:
    """Where the lines of a figure are not finite."""
    made = []
    for line in drawn.lines:
        if not line.series.of and (panel.recorded_row(page, line.of.curve) or {}).get("nonfinite"):
            found = lost(page.of(line.of.curve.run), line.of.curve, view.axis, line.of.origin)
            made += [Gap(g.start, g.end, line.series.colour, g.nan > 0, g.up > 0, g.down > 0) for g in found]
    return made


def _plain(mark: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(mark).items() if value is not None}


def _end(xs: np.ndarray[Any, Any]) -> float | None:
    """Where a line has ended: as far behind its last place as that is behind the one before."""
    places = np.unique(xs[np.isfinite(xs)])[-2:]
    return float(places[-1] + (places[-1] - places[0])) if len(places) else None


def _token(header: Mapping[str, Any], arrays: Arrays) -> str:
    parts: list[Any] = [json.dumps(header, sort_keys=True).encode(), *map(np.ascontiguousarray, arrays.values())]
    return f"{functools.reduce(lambda crc, part: zlib.crc32(part, crc), parts, 0):08x}"
