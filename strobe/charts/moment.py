"""One moment of a model as figures for papers: attention of every head, points on two axes, bars, a matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from strobe.charts.axes import Axis, Box, axes, gutter, label_number, titles
from strobe.charts.colours import heatmap, named_tokens, token_colours
from strobe.charts.figure import Figure, Scale
from strobe.charts.svg import Drawing, cut, text_width
from strobe.charts.theme import DIVERGING, LIGHT, SEQUENTIAL, SERIES

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Attention(Figure):
    """`weights` (layer, head, query, key) in 0..1, NaN where a key is masked: heads across, layers down."""

    weights: Array
    tokens: Sequence[str]
    """Of the keys."""
    queries: Sequence[str]
    root: bool = False
    """Whether the colour is the square root of the weight."""

    @property
    def alt(self) -> str:
        layers, heads, length, _ = self.weights.shape
        return f"Attention weights: {layers} layers by {heads} heads, {length} positions"

    def body(self, on: Drawing, width: float) -> float:
        layers, heads, *both = self.weights.shape
        few = max(both) <= 12 and width / heads >= 90
        names, asking = ([cut(token, 40) for token in tokens] for tokens in (self.tokens, self.queries))
        labels = 8 + max(map(text_width, asking), default=0) if few else 0.0
        cell = min(180.0, (width - 22) / heads - labels - 14)
        scale = Scale("attention weight" + (" (square-root scale)" if self.root else ""), SEQUENTIAL, "0", "1")
        top = scale.paint(on, 22, width) + 6
        down = cell + (42 if few else 24)
        for layer, head in np.ndindex(layers, heads):
            left, high = 22 + labels + head * (cell + labels + 14), top + layer * down + 16
            box = Box(left, high, left + cell, high + cell)
            shares = np.sqrt(self.weights[layer, head]) if self.root else self.weights[layer, head]
            on.text(left, high - 9, f"L{layer} H{head}" if layers > 1 else f"head {head}", colour=LIGHT.text)
            on.picture(left, high, cell, cell, heatmap(shares, SEQUENTIAL))
            if few:
                _tokens(on, box, names, asking)
        bottom = top + layers * down
        titles(on, Box(22, top + 16, width, bottom - (20 if few else 24)), "key", "query")
        return float(bottom + 26)


def _tokens(on: Drawing, box: Box, keys: Sequence[str], queries: Sequence[str]) -> None:
    across, down = (box.right - box.left) / max(1, len(keys)), (box.bottom - box.top) / max(1, len(queries))
    for k in range(0, len(queries), math.ceil(12 / max(1.0, down))):
        on.text(box.left - 6, box.top + (k + 0.5) * down, queries[k], anchor="end")
    widest = max(map(text_width, keys), default=0)
    for k in range(0, len(keys), math.ceil((widest + 4) / max(1.0, across))):
        on.text(box.left + (k + 0.5) * across, box.bottom + 11, keys[k], anchor="middle")


def points_table(points: Array, labels: Sequence[str]) -> pa.Table:
    """row, label, x, y of `points` (n, 2)."""
    return pa.table({
        "row": np.arange(len(points)), "label": pa.array(list(labels), pa.string()),
        # Not a number is no place: null, which figures leave out.
        "x": pa.array(points[:, 0].astype(np.float64), from_pandas=True),
        "y": pa.array(points[:, 1].astype(np.float64), from_pandas=True),
    })  # fmt: skip


@dataclass(frozen=True)
class Points(Figure):
    """`places` (n, 2), NaN for what has no place, between -reach and reach; every tenth is named."""

    places: Array
    labels: Sequence[str]
    reach: float
    x_title: str = "first axis"
    y_title: str = "second axis"
    turn: int = 1
    """Residues are coloured by so many times their number."""

    @property
    def alt(self) -> str:
        return f"{len(self.places)} points by {self.x_title} and {self.y_title}"

    def body(self, on: Drawing, width: float) -> float:
        x, y = (Axis(-self.reach, self.reach, title) for title in (self.x_title, self.y_title))
        side = min(4 / 3 * self.plot_height, width - gutter(y, 400) - 14)
        box = Box(gutter(y, side), 8, gutter(y, side) + side, 8 + side)
        axes(on, box, x, y)
        middle = float(x.place(0.0, box.left, box.right))
        on.line(middle, box.top, middle, box.bottom, LIGHT.border)
        colours, named = token_colours(self.labels, self.turn), set(named_tokens(self.labels))
        across, up = x.place(self.places[:, 0], box.left, box.right), y.place(self.places[:, 1], box.bottom, box.top)
        known = np.flatnonzero(np.isfinite(across + up))
        radius = 2 if len(known) > 2000 else 4
        for k in known.tolist():
            on.circle(across[k], up[k], radius, "#{:02x}{:02x}{:02x}".format(*colours[k]))
        for k in known.tolist():
            if k in named:
                on.text(across[k] + 7, up[k], cut(self.labels[k], 80), colour=LIGHT.text, size=10)
        return box.bottom + 44


def points(table: pa.Table, reach: float, turn: int = 1) -> Points:
    """A scatter of `points_table` between -reach and reach; every tenth point is named."""
    places = np.stack([table[name].cast("float64").to_numpy() for name in ("x", "y")], axis=1)
    return Points(places, table["label"].to_pylist(), reach, turn=turn)


@dataclass(frozen=True)
class Bars(Figure):
    """One bar a label, in the given order; what is not finite has none."""

    labels: Sequence[str]
    values: Array
    x_title: str
    y_title: str

    @property
    def alt(self) -> str:
        return f"{self.y_title} of {len(self.labels)} values of {self.x_title}"

    def body(self, on: Drawing, width: float) -> float:
        finite = self.values[np.isfinite(self.values)]
        y = Axis(min(0.0, float(finite.min(initial=0))), float(finite.max(initial=0)) * 1.05 or 1.0, self.y_title)
        left = gutter(y, 0.8 * self.plot_height)
        box = Box(left, 8, width - 14, 8 + 0.8 * self.plot_height)
        axes(on, box, None, y)
        titles(on, box, self.x_title, "")
        wide = (box.right - box.left) / max(1, len(self.labels))
        ground, heights = float(y.place(0.0, box.bottom, box.top)), y.place(self.values, box.bottom, box.top)
        for k, high in enumerate(heights.tolist()):
            if math.isfinite(high):
                at = box.left + (k + 0.1) * wide
                on.rect(at, min(high, ground), 0.8 * wide, abs(ground - high), SERIES[0])
        for k in range(0, len(self.labels), max(1, math.ceil(56 / wide))):
            on.text(box.left + (k + 0.5) * wide, box.bottom + 14, cut(self.labels[k], 52), anchor="middle")
        return box.bottom + 44


def bars(labels: Sequence[str], values: Sequence[float], *, x_title: str, y_title: str) -> Bars:
    """One bar a label, in the given order."""
    return Bars(list(labels), np.asarray(values, np.float64), x_title, y_title)


@dataclass(frozen=True)
class Matrix(Figure):
    """A matrix (rows, columns) from -reach (blue) over 0 (white) to reach (red), as wide as it is drawn."""

    values: Array
    reach: float
    quantity: str
    names: tuple[str, str] = ("row", "column")
    bins: tuple[int, int] = (1, 1)

    @property
    def alt(self) -> str:
        return f"{self.quantity}: {self.values.shape[0]} by {self.values.shape[1]} cells"

    def body(self, on: Drawing, width: float) -> float:
        rows, columns = self.values.shape
        scale = Scale(self.quantity, DIVERGING, "−" + label_number(self.reach, 2), label_number(self.reach, 2), "0")
        top, left = scale.paint(on, 70, width) + 2, 70.0
        wide = width - left - 14
        shown = rows * self.bins[0], columns * self.bins[1]
        high = min(max(wide * shown[0] / shown[1], 60.0), 1.5 * self.plot_height)
        box = Box(left, top, left + wide, top + high)
        on.picture(left, top, wide, high, heatmap((self.values / self.reach + 1) / 2, DIVERGING))
        down, across = (Axis(0.0, float(size), "") for size in shown)
        for value, words in down.ticks(high / 70):
            on.text(left - 6, float(down.place(value, top, box.bottom)), words, anchor="end")
        for value, words in across.ticks(wide / 70):
            on.text(float(across.place(value, left, box.right)), box.bottom + 13, words, anchor="middle")
        titles(on, box, self.names[1], self.names[0])
        return box.bottom + 44
