"""Points on three axes as Plotly gets them."""

from __future__ import annotations

import numpy as np

from strobe.charts.theme import CYCLIC, SEQUENTIAL, SERIES
from strobe.charts.three_axes import scatter

POINTS = np.array([[[0, 1, 2], [3, 4, 5], [np.nan] * 3], [[6, 7, -8], [0, 0, 0], [1, 1, 1]]], float)


def test_the_range_and_the_camera_are_those_of_all_steps() -> None:
    first, last = (
        scatter(POINTS, at, ["a", "b", "="], [0, 0.5, -1], cyclic=True, same_camera="run") for at in (0, 1)
    )
    assert first.layout.uirevision == last.layout.uirevision == "run"
    for axis in ("xaxis", "yaxis", "zaxis"):
        assert first.layout.scene[axis].range == last.layout.scene[axis].range == (-8, 8)


def test_rows_are_named_on_hover_and_what_has_no_colour_is_grey() -> None:
    placed, other = scatter(POINTS, 1, ["a", "b", "="], [0, 0.5, -1], cyclic=True, same_camera="run").data
    assert (list(placed.text), placed.hoverinfo, list(placed.z)) == (["a", "b"], "text", [-8, 0])
    assert [stop[1] for stop in placed.marker.colorscale] == list(CYCLIC)
    assert (list(other.text), other.hoverinfo, other.marker.color) == (["="], "text", SERIES[-1])
    placed, _ = scatter(POINTS, 1, ["a", "b", "c"], [0, 0.3, 0.6], cyclic=False, same_camera="run").data
    assert [stop[1] for stop in placed.marker.colorscale] == list(SEQUENTIAL)
