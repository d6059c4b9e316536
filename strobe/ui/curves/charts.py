"""The charts of the Curves page: a title, a scale where it can be chosen, and the curves of some metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from strobe.ui.curves import panel as curves
from strobe.ui.curves.options import CurveOptions
from strobe.ui.panel import choice, panel
from strobe.ui.shell.page import Page
from strobe.views.metric_units import units_of
from strobe.views.split_curves import ACCURACIES, LOSSES, curves_of

Scale = Literal["log", "linear"]
SCALES: Final[tuple[Scale, ...]] = ("log", "linear")


@dataclass(frozen=True)
class Chart:
    """`y_title` is without its unit; `scale` is what the y axis
    begins with, None where it cannot be chosen; `share` makes it hold 0..1 at least."""

    key: str
    title: str
    metrics: Sequence[str]
    y_title: str
    scale: Scale | None = None
    share: bool = False
    height: int = 300


LOSS: Final = Chart("loss", "Loss", LOSSES, "loss", "log")
ACCURACY: Final = Chart("accuracy", "Accuracy", ACCURACIES, "accuracy", share=True)
LEARNING_RATE: Final = Chart("lr", "Learning rate", ("learning_rate",), "learning rate", "linear", height=190)


def draw(page: Page, options: CurveOptions, chart: Chart) -> None:
    """One chart of every drawn run."""
    scale = "linear"
    with panel.head(chart.key):
        panel.title(chart.title)
        if chart.scale is not None:
            scale = choice.segmented(f"{chart.key}_axis", f"{chart.title} axis", SCALES, chart.scale)
    runs = options.runs(page)
    wanted = curves_of(page.of(*runs), runs, chart.metrics)
    units = units_of(page.of(*runs), runs, chart.metrics)
    curves.draw(
        page, chart.key, wanted, view=options, y_title=units.title(chart.y_title), log=scale == "log",
        share=chart.share, height=chart.height, about=units.note({run: page.title_of(run) for run in runs}),
    )  # fmt: skip


def loss_line(page: Page, key: str, height: int) -> None:
    """The losses of the drawn runs without controls, on a log axis."""
    tables = page.of(*page.runs)
    title = units_of(tables, page.runs, LOSSES).title("loss")
    curves.draw(page, key, curves_of(tables, page.runs, LOSSES), y_title=title, log=True, height=height)
