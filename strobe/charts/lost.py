"""Where a curve is not finite, on printed figures: a hatched band, and marks at the edge where it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strobe.charts.axes import Axis, Box
from strobe.charts.colours import rgb
from strobe.charts.svg import Drawing

_APART = 9


@dataclass(frozen=True)
class Gap:
    """A stretch of x, from `start` to `end`, in which a curve of a colour has no finite value; which of NaN, infinity
    (up) and minus infinity (down) it has instead."""

    start: float
    end: float
    colour: str
    nan: bool
    up: bool
    down: bool


def bands(on: Drawing, box: Box, gaps: Sequence[Gap], x: Axis) -> None:
    """Shaded and hatched, under the curves; a gap of one value is two pixels wide."""
    for gap in gaps:
        ends = np.clip([float(x.place(at, box.left, box.right)) for at in (gap.start, gap.end)], box.left, box.right)
        left, right = float(ends[0]), max(float(ends[1]), float(ends[0]) + 2)
        on.rect(left, box.top, right - left, box.bottom - box.top, _pale(gap.colour))
        tall = box.bottom - box.top
        for at in np.arange(left - tall + _APART, right, _APART).tolist():
            # Each line of the hatching as far as it lies in the band.
            low, high = max(at, left), min(at + tall, right)
            if high > low:
                on.line(low, box.bottom - (low - at), high, box.bottom - (high - at), _pale(gap.colour, 0.45), 0.75)


def edges(on: Drawing, box: Box, gaps: Sequence[Gap], x: Axis) -> None:
    """Up for infinity and down for minus infinity, a cross for NaN, where a gap begins."""
    for gap in gaps:
        at = float(x.place(gap.start, box.left, box.right))
        if not box.left - 1 <= at <= box.right + 1:
            continue
        if gap.up:
            _triangle(on, at, box.top, 8, gap.colour)
        if gap.down:
            _triangle(on, at, box.bottom, -8, gap.colour)
        if gap.nan:
            high = box.bottom - 7 - 10 * gap.down
            on.line(at - 4, high - 4, at + 4, high + 4, gap.colour, 2)
            on.line(at - 4, high + 4, at + 4, high - 4, gap.colour, 2)


def _triangle(on: Drawing, x: float, tip: float, tall: float, colour: str) -> None:
    across, down = (
        np.array([x - 5, x + 5, x, x - 5, x + 5]),
        np.array([tip + tall, tip + tall, tip, tip + tall, tip + tall]),
    )
    on.path(across, down, colour, 2)


def _pale(colour: str, share: float = 0.1) -> str:
    return "#" + "".join(f"{round(255 - share * (255 - part)):02x}" for part in rgb(colour))
