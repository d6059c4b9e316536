"""A vector of a run: its values in their order at the cursor, and how they move over training."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from strobe.charts.curves import Curves, Series, curves
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, downloads, panel
from strobe.ui.panel.kinds import Line, ProfilePanel, presence
from strobe.ui.panel.marks import step_marks
from strobe.ui.panel.settled import Later, at_once
from strobe.ui.shell.cursor import settled
from strobe.ui.weights import kept
from strobe.views import sorted_values
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import RunView
from strobe.views.sorted_values import SortedFrames

_STATISTICS = {"max": "greatest", "mean": "mean", "min": "least", "std": "standard deviation"}


def at_cursor(view: RunView, vector: WeightMatrix, *, key: str = "vector", height: int = 240) -> Later:
    """The values from the greatest, the settled step first; the function that is returned adds the other steps."""
    steps = sorted_values.steps(view, vector, settled(view))

    def draw(whole: bool) -> None:
        tried = steps if whole else [settled(view)]
        _values(view, vector, kept.sorted_frames(view, vector, tried), tried if whole else None, key, height)

    return at_once(kept.missing(kept.ordered(view, vector), steps), draw)


def _values(
    view: RunView, vector: WeightMatrix, shown: SortedFrames, tried: list[int] | None, key: str, height: int
) -> None:
    if not shown.steps:
        panel.caption(shown.reason)
        return
    if tried is None:
        there = presence(view, partial=True)
    else:
        there = presence(view, tried, shown.steps, sampled=len(tried) < len(view.steps))
    header = ProfilePanel(
        subject=f"vector {view.run} {vector.label}", run=view.run, steps=shown.steps, count=shown.values.shape[1],
        log=False, height=height, lines=[Line(vector.label, SERIES[0])], x_name="number", zero=False,
        presence=there,
        alt=f"The values of {vector.label} in their order at the step of the cursor",
    )  # fmt: skip
    arrays = {"x": shown.places[:, None], "y": shown.values[:, None]}
    panel.show(f"{key}_first" if tried is None else key, header, arrays)
    if tried is None:
        panel.caption(f"{vector.shape_words} {shown.words}")
    else:
        _tools(view, vector, shown, key)


def _tools(view: RunView, vector: WeightMatrix, shown: SortedFrames, key: str) -> None:
    """The caption with the settled step as data and as an image."""

    def table(at: int) -> pa.Table:
        there = np.isfinite(shown.places[at])
        return pa.table({
            "number": shown.places[at][there].astype(np.int64), "value": shown.values[at][there].astype(float),
        })  # fmt: skip

    def figure(at: int) -> Curves:
        own = table(at)
        points = pa.table({
            "series": [vector.label] * own.num_rows, "x": own["number"].cast("float64"), "y": own["value"],
        })  # fmt: skip
        series = [Series(vector.label, SERIES[0])]
        return curves(points, series, x_title="number, from the greatest", y_title="value", log=False)

    source = f"-- read from the snapshot under the cursor: params/{vector.name}"
    downloads.offer(
        view, key, f"{vector.shape_words} {shown.words}", shown.steps, source, table, figure,
        [f"params/{vector.name}"],
    )  # fmt: skip


def over_training(view: RunView, vector: WeightMatrix) -> None:
    """The ends, the mean and the spread of its values, by step."""
    panel.title("Values over training")
    looks = {name: Series(words, SERIES[k]) for k, (name, words) in enumerate(_STATISTICS.items())}
    derived.lines(
        view, "vector_lines", sorted_values.over_training(view, vector), looks, y_title="value",
        about="Over the finite values of the vector at each snapshot.", marks=step_marks(view),
    )  # fmt: skip
