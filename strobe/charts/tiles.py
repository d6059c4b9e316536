"""Small heatmaps side by side as a figure for papers, each with its name, on one scale of colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strobe.charts.axes import Axis, Box, titles
from strobe.charts.colours import heatmap
from strobe.charts.figure import Figure, Scale
from strobe.charts.svg import Drawing, cut
from strobe.charts.theme import LIGHT, SEQUENTIAL

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Tiles(Figure):
    """`values` (n, rows, columns) in 0..1, one tile a name, `across` in a row."""

    values: Array
    labels: Sequence[str]
    scale: tuple[str, str, str]
    """What the colours stand for, and the words for 0 and 1."""
    names: tuple[str, str] = ("row", "column")
    across: int = 4
    widest: float = 300

    @property
    def alt(self) -> str:
        return f"{self.scale[0]}: {', '.join(self.labels)}"

    def body(self, on: Drawing, width: float) -> float:
        quantity, low, high = self.scale
        top, left, many = (
            Scale(quantity, SEQUENTIAL, low, high).paint(on, 34, width) + 6,
            34.0,
            min(self.across, len(self.values)),
        )
        side = min(self.widest, (width - left - 12 * (many - 1) - 8) / many)
        rows, columns = self.values.shape[1:]
        down = side * rows / columns + 22
        for k, (values, label) in enumerate(zip(self.values, self.labels, strict=True)):
            x, y = left + (k % many) * (side + 12), top + (k // many) * down + 16
            on.text(x, y - 9, cut(label, side), colour=LIGHT.text)
            on.picture(x, y, side, down - 22, heatmap(values, SEQUENTIAL))
        bottom = top + -(-len(self.values) // many) * down
        if len(self.values) == 1:
            _ticks(on, Box(left, top + 16, left + side, bottom - 6), (rows, columns))
        titles(on, Box(left, top + 16, left + many * (side + 12) - 12, bottom - 6), self.names[1], self.names[0])
        return float(bottom) + 40


def _ticks(on: Drawing, box: Box, shape: tuple[int, int]) -> None:
    down, across = (Axis(0.0, float(size), "") for size in shape)
    for value, words in down.ticks(5):
        on.text(box.left - 5, float(down.place(value, box.top, box.bottom)), words, anchor="end", size=10)
    for value, words in across.ticks(5):
        on.text(float(across.place(value, box.left, box.right)), box.bottom + 11, words, anchor="middle", size=10)
