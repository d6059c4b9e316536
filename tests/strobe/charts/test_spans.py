"""Spans on printed curves are shaded where they are, and named where there is room."""

from __future__ import annotations

import re

import pyarrow as pa

from strobe.charts.curves import Series, Span, curves
from strobe.charts.theme import SERIES


def test_spans_are_shaded_in_their_place_and_named_where_there_is_room() -> None:
    table = pa.table({"series": ["x"] * 3, "x": [0.0, 500.0, 1000.0], "y": [1.0, 2.0, 3.0]})
    spans = [
        Span(0, 500, "memorization", SERIES[1]),
        Span(500, 520, "cleanup", SERIES[2]),
        Span(2000, 3000, "x", "#000000"),
    ]
    svg = curves(table, [Series("x", SERIES[0])], x_title="step", y_title="loss", log=False, spans=spans).svg()
    shaded = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="300" fill="(#\w+)"', svg)
    assert len(shaded) == 2
    (first, wide, colour), (second, narrow, _) = shaded
    assert abs(float(first) + float(wide) - float(second)) < 0.05
    assert float(narrow) * 25 - float(wide) < 0.3
    assert colour == "#fdedef"
    assert ">memorization<" in svg
    assert ">cleanup<" not in svg
