"""Axes hold whatever float64 holds: the least, the greatest, and both on one axis."""

from __future__ import annotations

import math
import re
import sys

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strobe.charts.axes import Axis, padded
from strobe.charts.curves import Series, curves
from tests.support.effort import tries

MOST, LEAST = sys.float_info.max, math.ulp(0.0)


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)
@example(0.36, 4.869412988055273e-60, True)
@example(1e-310, 2.0, True)
@example(LEAST, 1.0, True)
@example(LEAST, LEAST, True)
@example(1e-200, 1e200, True)
@example(LEAST, MOST, True)
@example(1e308, 1.7e308, False)
@example(-1e308, 1e308, False)
@example(-MOST, MOST, False)
@example(0.0, LEAST, False)
@example(-LEAST, LEAST, False)
@settings(max_examples=tries(200, 2000), deadline=None)
def test_every_pair_of_values_has_an_axis(one: float, other: float, log: bool) -> None:
    if log:
        one, other = abs(one) or LEAST, abs(other) or LEAST
    low, high = sorted((one, other))
    axis = Axis(*padded(low, high, log), "", log)
    assert axis.low <= low <= high <= axis.high
    places = [float(axis.place(value, 300, 0)) for value in (axis.low, low, high, axis.high)]
    assert all(0 <= place <= 300 for place in places)
    assert places == sorted(places, reverse=True)
    made = axis.ticks(9)
    assert len(made) <= 30
    assert all(math.isfinite(value) and words for value, words in made)
    assert all(-1e-6 <= float(axis.place(value, 300, 0)) <= 300 + 1e-6 for value, _ in made)


@pytest.mark.parametrize(
    "values", [[1e-310, 1, 2], [1e-200, 1, 1e200], [1e300, 1], [1e308, 1.7e308, 1], [-1e308, 1e308]]
)
def test_a_figure_of_extreme_values_is_drawn(values: list[float]) -> None:
    table = pa.table({"series": ["a"] * len(values), "x": [float(k) for k in range(len(values))], "y": values})
    for log in (False, True):
        svg = curves(table, [Series("a", "#000000")], x_title="step", y_title="y", log=log).svg()
        assert not re.search(r"\b(nan|inf)\b", svg)
