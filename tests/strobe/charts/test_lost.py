"""Where a printed curve is not finite."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

from strobe.charts.curves import Mark, Series, curves
from strobe.charts.lost import Gap

COLOUR = "#aa3377"


def figure(*gaps: Gap, marks: tuple[Mark, ...] = ()) -> str:
    table = pa.table({"series": ["a"] * 3, "x": [0.0, 1.0, 4.0], "y": [1.0, 2.0, 3.0]})
    return curves(
        table, [Series("a", "#123456")], x_title="step", y_title="loss", log=False, gaps=gaps, marks=marks
    ).svg()  # fmt: skip


def polylines(svg: str, colour: str) -> list[np.ndarray]:
    found = re.findall(rf'<polyline points="([^"]*)"[^>]*stroke="{colour}"', svg)
    return [np.array([[float(v) for v in pair.split(",")] for pair in points.split()]) for points in found]


def test_a_gap_is_a_band_from_its_first_to_its_last_value() -> None:
    svg = figure(Gap(2.0, 3.0, COLOUR, nan=True, up=False, down=False))
    line = polylines(svg, "#123456")[0]
    boxes = re.findall(r'<rect x="([^"]*)"[^>]*width="([^"]*)"[^>]*fill="([^"]*)"', svg)
    left, wide = next((float(x), float(width)) for x, width, fill in boxes if fill.lower() != "#ffffff")
    each = (line[2, 0] - line[0, 0]) / 4
    assert left == pytest.approx(line[0, 0] + 2 * each, abs=0.2)
    assert wide == pytest.approx(each, abs=0.2)


def test_a_gap_beyond_the_last_point_widens_the_axis() -> None:
    apart = (
        polylines(figure(), "#123456")[0],
        polylines(figure(Gap(4.0, 8.0, COLOUR, True, False, False)), "#123456")[0],
    )
    assert np.ptp(apart[1][:, 0]) == pytest.approx(np.ptp(apart[0][:, 0]) / 2, abs=0.3)


@pytest.mark.parametrize(("up", "down"), [(True, False), (False, True), (True, True), (False, False)])
def test_infinity_points_to_its_edge(up: bool, down: bool) -> None:
    tips = polylines(figure(Gap(2.0, 3.0, COLOUR, nan=False, up=up, down=down)), COLOUR)
    assert len(tips) == up + down
    for points, way in zip(tips, [-1] * up + [1] * down, strict=True):
        assert way * (points[2, 1] - points[0, 1]) == pytest.approx(8)


def test_words_of_moments_stand_in_rows_of_their_own_above_the_plot() -> None:
    marks = (Mark(1.0, "first", "#111111"), Mark(1.1, "second", "#222222", y=2.0), Mark(1.2, "third", "#333333"))
    svg = figure(marks=marks)
    heights = {
        word: float(y) for y, word in re.findall(r'<text x="[^"]*" y="([^"]*)"[^>]*>(first|second|third)<', svg)
    }
    assert sorted(heights, key=heights.__getitem__) == ["first", "second", "third"]
    gaps = np.diff(sorted(heights.values()))
    assert (gaps >= 13).all()
