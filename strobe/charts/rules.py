"""Beside the lines of a plot: levels across it, and at its right edge a second scale for the same heights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from strobe.charts.axes import Axis, Box, label_number
from strobe.charts.svg import Drawing, cut, text_width
from strobe.charts.theme import LIGHT

Array = np.ndarray[Any, Any]

_SIZE: Final = 11
_APART: Final = 15
"""Pixels between two rules that both have words."""
_PLACES: Final = 9
"""Along a rule, at which its words may stand."""


@dataclass(frozen=True)
class Rule:
    """A thin dashed line at height `y`; `label` stands beside it where there is room."""

    y: float
    label: str
    colour: str


@dataclass(frozen=True)
class SecondScale:
    """What the heights of a plot are in another unit, by `of`."""

    title: str
    of: Callable[[float], float]


def paint_rules(on: Drawing, box: Box, rules: Sequence[Rule], y: Axis) -> None:
    """From edge to edge, below the lines of the plot."""
    for rule in rules:
        at = float(y.place(rule.y, box.bottom, box.top))
        on.line(box.left, at, box.right, at, rule.colour, 1, "2 3")


def name_rules(on: Drawing, box: Box, rules: Sequence[Rule], y: Axis, drawn: Sequence[tuple[Array, Array]]) -> None:
    """The words of rules, where the lines `drawn`, each of pixels x and y (n,), leave most room; of several so close
    that their words would touch only the highest has any."""
    edges = np.array([box.left, box.right])
    levels = [float(y.place(rule.y, box.bottom, box.top)) for rule in rules]
    taken = [_dense(*line) for line in [*drawn, *((edges, np.full(2, at)) for at in levels)]]
    below = float("inf")
    for rule in sorted(rules, key=lambda rule: -rule.y):
        at = float(y.place(rule.y, box.bottom, box.top))
        if rule.label and (below == float("inf") or at - below > _APART):
            words = cut(rule.label, (box.right - box.left) / 2, _SIZE)
            width = text_width(words, _SIZE)
            left, middle = _freest(box, at, width, np.concatenate(taken, axis=1))
            on.text(left, middle, words, size=_SIZE)
            taken.append(_dense(np.array([left, left + width]), np.full(2, middle)))
            below = at


def _freest(box: Box, at: float, width: float, dots: Array) -> tuple[float, float]:
    """The left end and the middle line of words beside a rule: above it at the right, unless a line runs there."""
    sides = [side for side in (at - 7, at + 8) if box.top < side - 7 and side + 7 < box.bottom] or [at - 7]
    lefts = np.linspace(box.right - 4 - width, box.left + 4, _PLACES).tolist()
    places = [(left, side) for side in sides for left in lefts]

    def crossed(place: tuple[float, float]) -> int:
        inside = (np.abs(dots[0] - place[0] - width / 2) < width / 2 + 2) & (np.abs(dots[1] - place[1]) < _SIZE / 2)
        return int(inside.sum())

    return min(places, key=crossed)


def _dense(x: Array, y: Array) -> Array:
    """A line as dots (2, n), two pixels apart at most between its points where it does not break."""
    steps = np.hypot(np.diff(x), np.diff(y))
    parts = [
        np.linspace((x[k], y[k]), (x[k + 1], y[k + 1]), int(step / 2) + 2, axis=1)
        for k, step in enumerate(steps.tolist())
        if np.isfinite(step)
    ]
    return np.concatenate([np.stack([x, y]), *parts], axis=1)


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
