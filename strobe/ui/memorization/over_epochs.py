"""Lines over epochs, with the cursor of the snapshots at those epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from strobe.charts.curves import Series
from strobe.charts.figure import Figure
from strobe.ui.panel import panel
from strobe.ui.panel.kinds import CurvesPanel, line_of
from strobe.views.memorization import Study
from strobe.views.readings import of_rows
from strobe.views.run_view import RunView

Array = np.ndarray[Any, Any]
Line = tuple[Series, Array]
"""A series with its value at each epoch point."""


def lines(
    view: RunView, key: str, shown: Study, drawn: Sequence[Line], *, y_title: str, height: int = 220,
    share: bool = False, places: Array | None = None,
) -> pa.Table:  # fmt: skip
    """Draws lines over the epoch points, or over other `places` on their axis, all of them read off at the cursor;
    returns their numbers."""
    each = shown.steps[0] / shown.epochs[0]
    epochs = np.array(shown.epochs, np.float64) if places is None else places
    steps = each * epochs
    arrays: dict[str, Array] = {}
    for k, (_, values) in enumerate(drawn):
        arrays |= {f"x{k}": epochs, f"y{k}": np.asarray(values, np.float64), f"s{k}": steps}
    named = [one for one, _ in drawn if not one.of]
    table = _table(epochs, steps, [(one, values) for one, values in drawn if not one.of])
    read = of_rows(table, [one.label for one in named], view.steps)
    own = [k for k, (one, _) in enumerate(drawn) if not one.of]
    order = [own.index(k) if k in own else 0 for k in range(len(drawn))]
    header = CurvesPanel(
        subject=f"{key} {view.run}", run=view.run, steps=list(view.steps), height=height, log=False, share=share,
        cursor_x=[step / each for step in view.steps], x_name="epoch", plain=False, read_at=read.at,
        y_title=y_title,
        # A faint line of this run would be taken for the raw one of a smoothed line.
        series=[line_of(replace(one, run="" if one.of else view.run)) for one, _ in drawn],
        alt=f"{y_title} against epoch: {', '.join(one.label for one in named)}",
    )  # fmt: skip
    readings = read.rows(order).arrays()
    panel.show(key, header, arrays | readings, on_window_change=lambda: None, on_chosen_change=lambda: None)
    return table


def _table(epochs: Array, steps: Array, drawn: Sequence[Line]) -> pa.Table:
    """series, epoch, step, value; the step is the first at or after a place between two."""
    return pa.table({
        "series": pa.array([one.label for one, _ in drawn for _ in epochs], pa.string()),
        "epoch": pa.array(np.tile(epochs, len(drawn)), pa.float64()),
        "step": pa.array(np.tile(np.ceil(steps).astype(np.int64), len(drawn)), pa.int64()),
        "value": pa.array(np.concatenate([np.asarray(values, np.float64) for _, values in drawn]), from_pandas=True),
    })  # fmt: skip


def tools(key: str, about: str, shown: Study, table: pa.Table, figure: Callable[[], Figure] | None) -> None:
    """The caption line with the queries that the study was made from, the numbers that are drawn, and the figure."""
    panel.tools(key, about, [answer.sql for answer in shown.answers], lambda: table, figure)
