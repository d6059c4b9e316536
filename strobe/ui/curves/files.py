"""The queries, data and image of one chart of the grid."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

from strobe.charts.curves import curves
from strobe.ui.curves import panel
from strobe.ui.curves.options import CurveOptions
from strobe.ui.curves.read_off import every_row, queries
from strobe.ui.curves.tile import gaps_of, wanted
from strobe.ui.panel import panel as panels
from strobe.ui.shell.page import Page
from strobe.views.metric_sections import MetricChart
from strobe.views.metric_units import units_of
from strobe.views.words import visible


def key_of(chart: MetricChart) -> str:
    """What the files of a chart are called, and the keys of their buttons."""
    return chart.key if chart.key.isalnum() else f"metric_{zlib.crc32(chart.key.encode()):08x}"


def files(page: Page, view: CurveOptions, chart: MetricChart, log: bool, drawn: panel.Drawn) -> None:
    """One line below the grid: whose files these are, what of them is not `drawn`, and the popover with them."""
    those = wanted(page, chart, view)
    units = units_of(page.of(*view.runs(page)), view.runs(page), chart.metrics)
    about = units.note({run: page.title_of(run) for run in view.runs(page)})
    title = units.title(chart.quantity)

    if not drawn.lines:
        panels.caption(" ".join(drawn.remarks) or f"{visible(chart.title)} was not recorded for these runs.")
        return

    def figure() -> Any:
        made = curves(
            drawn.table(), drawn.series, x_title=view.x_title(), y_title=title, log=log,
            marks=panel.marks(page, those, drawn, view, those[0].metric),
            clock=view.axis == "clock" and view.align == "none", gaps=gaps_of(page, drawn, view),
        )  # fmt: skip
        return replace(made, caption=" ".join([about, *drawn.remarks]).strip())

    panels.tools(
        key_of(chart), f"{visible(chart.title)}: {panel.caption_of(drawn, view, about)}",
        [*drawn.sql, *queries(page, drawn.lines)], lambda: every_row(page, drawn.lines, view), figure,
    )  # fmt: skip
