"""Losses of the drawn runs, for pages that show them as a line of time."""

from __future__ import annotations

from strobe.ui.curves import panel as curves
from strobe.ui.shell.page import Page
from strobe.views.metric_units import units_of
from strobe.views.split_curves import LOSSES, curves_of


def loss_line(page: Page, key: str, height: int) -> None:
    """The losses of the drawn runs without controls, on a log axis."""
    tables = page.of(*page.runs)
    title = units_of(tables, page.runs, LOSSES).title("loss")
    curves.draw(page, key, curves_of(tables, page.runs, LOSSES), y_title=title, log=True, height=height)
