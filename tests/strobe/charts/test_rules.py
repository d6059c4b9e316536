"""Words of levels across a plot: where the lines leave room."""

from __future__ import annotations

import re

import numpy as np

from strobe.charts.curves import Curves, Series
from strobe.charts.rules import Rule

_TEXT = re.compile(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>mean 5</text>')


def place(y: list[float]) -> tuple[float, float]:
    """Of the words of a rule at 5, beside a line over x = 0, 1, ..."""
    line = (Series("a", "#336699"), np.arange(len(y), dtype=float), np.array(y))
    found = _TEXT.findall(Curves([line], "step", "MFU", False, rules=[Rule(5, "mean 5", "#000000")]).svg())
    return tuple(map(float, found[0]))  # type: ignore[return-value]


def test_words_stand_above_at_the_right_unless_a_line_runs_there() -> None:
    far = place([0, 10, 0, 10, 0, 0])
    assert place([10, 0, 10, 0, 5.2, 5.2])[0] < far[0]
    assert place([5.2, 5.2, 5.2, 5.2, 5.2, 0, 10]) != far


def test_a_line_that_breaks_takes_no_room() -> None:
    assert place([0, 10, 0, 10, float("nan"), 0]) == place([0, 10, 0, 10, 0, 0])


def test_words_of_close_rules_do_not_lie_on_each_other() -> None:
    line = (Series("a", "#336699"), np.arange(3.0), np.array([0.0, 10, 0]))
    rules = [Rule(5, "mean 5", "#000000"), Rule(4.2, "mean 4", "#000000")]
    svg = Curves([line], "step", "MFU", False, rules=rules).svg()
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>mean', svg)
    (x, y), (other_x, other_y) = (tuple(map(float, each)) for each in found)
    assert abs(y - other_y) > 10 or abs(x - other_x) > 40
