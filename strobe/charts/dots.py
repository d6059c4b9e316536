"""Points in groups on two axes with units, as a figure for papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strobe.charts.axes import Axis, Box, axes, gutter, padded
from strobe.charts.figure import Figure, Key, legend
from strobe.charts.svg import Drawing

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Dots(Figure):
    """`groups` of (name, colour, x (n,), y (n,)); what is not finite has no place. `y_range` None: that of the
    points."""

    groups: Sequence[tuple[str, str, Array, Array]]
    x_title: str
    y_title: str
    y_range: tuple[float, float] | None = None

    @property
    def alt(self) -> str:
        names = ", ".join(f"{len(x)} {name}" for name, _, x, _ in self.groups)
        return f"{self.y_title} against {self.x_title}: {names}"

    def body(self, on: Drawing, width: float) -> float:
        x, y = self._axis(2, None, self.x_title), self._axis(3, self.y_range, self.y_title)
        left = gutter(y, self.plot_height)
        keys = [Key(name, colour, dot=True) for name, colour, _, _ in self.groups]
        top = legend(on, keys, left, width) + 8
        box = Box(left, top, width - 14, top + self.plot_height)
        axes(on, box, x, y)
        for _, colour, xs, ys in self.groups:
            good = np.isfinite(xs) & np.isfinite(ys)
            at = x.place(xs[good], box.left, box.right), y.place(ys[good], box.bottom, box.top)
            for across, down in zip(at[0].tolist(), at[1].tolist(), strict=True):
                on.circle(across, down, 3.5, colour)
        return box.bottom + 44

    def _axis(self, part: int, given: tuple[float, float] | None, title: str) -> Axis:
        values = np.concatenate([group[part] for group in self.groups] or [np.zeros(0)])
        values = values[np.isfinite(values)]
        held = given or ((float(values.min()), float(values.max())) if values.size else (0.0, 1.0))
        return Axis(*padded(*held, False), title)
