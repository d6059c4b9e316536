"""Beside the lines of a plot: levels across it, and at its right edge a second scale for the same heights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from strobe.charts.axes import Axis, Box, label_number
from strobe.charts.svg import Drawing, cut, text_width
from strobe.charts.theme import LIGHT


@dataclass(frozen=True)
class Rule:
    """A thin dashed line at height `y`; `label` stands at its right end where there is room."""

    y: float
    label: str
    colour: str


@dataclass(frozen=True)
class SecondScale:
    """What the heights of a plot are in another unit, by `of`."""

    title: str
    of: Callable[[float], float]


def paint_rules(on: Drawing, box: Box, rules: Sequence[Rule], y: Axis) -> None:
    """From edge to edge; of several so close that their words would touch only the highest has any."""
    below = float("inf")
    for rule in sorted(rules, key=lambda rule: -rule.y):
        at = float(y.place(rule.y, box.bottom, box.top))
        on.line(box.left, at, box.right, at, rule.colour, 1, "2 3")
        if rule.label and (below == float("inf") or at - below > 15):
            words = cut(rule.label, (box.right - box.left) / 2, 11)
            over = at - 7 if at - 14 > box.top else at + 8
            on.text(box.right - 4, over, words, anchor="end", size=11)
            below = at


def _ticks(scale: SecondScale, y: Axis, height: float) -> list[tuple[float, str]]:
    return [(value, label_number(scale.of(value))) for value, _ in y.ticks(height / (26 if y.log else 34))]


def right_gutter(scale: SecondScale | None, y: Axis, height: float) -> float:
    """Pixels right of a plot for a second scale; a margin where there is none."""
    return 14 if scale is None else 34 + max(text_width(words) for _, words in _ticks(scale, y, height))


def paint_second(on: Drawing, box: Box, scale: SecondScale, y: Axis, right: float) -> None:
    """Its words at the heights of the first scale's, and its title upwards at pixel `right`."""
    for value, words in _ticks(scale, y, box.bottom - box.top):
        on.text(box.right + 6, float(y.place(value, box.bottom, box.top)), words)
    on.text(right - 8, (box.top + box.bottom) / 2, scale.title, colour=LIGHT.muted, anchor="middle", turned=True)
