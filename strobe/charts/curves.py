"""Curves and tensor heatmaps as figures for papers: legend, labels and units included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.shortened import shortened
from strobe.charts.axes import Axis, Box, axes, ends, gutter, label_number, padded, titles
from strobe.charts.colours import heatmap, log_shares, rgb
from strobe.charts.figure import Figure, Key, Scale, legend
from strobe.charts.lost import Gap, bands, edges
from strobe.charts.names import brief
from strobe.charts.rules import Rule, SecondScale, name_rules, paint_rules, paint_second, right_gutter
from strobe.charts.svg import Drawing, cut, text_width
from strobe.charts.theme import LIGHT, SEQUENTIAL, Look, nth_look

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Series:
    """How one curve is drawn: `label` is its legend entry; `dash` tells splits apart where colour is the run, and
    `turn` a run from another of its colour."""

    label: str
    colour: str
    dash: bool = False
    of: str = ""
    """Label of the smoothed curve that this one is the raw, faint line of; it has no legend entry then."""
    run: str = ""
    turn: int = 0
    dots: bool = False
    """Whether its points stand alone, without a line."""

    @property
    def dashes(self) -> tuple[int, ...]:
        """Pixels drawn and left out in turn; empty for a whole line."""
        return Look(self.colour, self.turn).dash(self.dash)


def numbered(label: str, k: int) -> Series:
    """The k-th of several lines."""
    look = nth_look(k)
    return Series(label, look.colour, turn=look.turn)


@dataclass(frozen=True)
class Mark:
    """A moment with its words: a rule at `x`, or a ring at (`x`, `y`)."""

    x: float
    label: str
    colour: str
    y: float | None = None
    of: str = ""
    """Label of the series it belongs to: hidden with it."""


@dataclass(frozen=True)
class Span:
    """A stretch of the x axis with its name, shaded."""

    start: float
    end: float
    label: str
    colour: str


@dataclass(frozen=True)
class Level:
    """A stretch of the y axis with its name, shaded where it is in sight: a threshold, or a usual band."""

    low: float
    high: float
    label: str
    colour: str


@dataclass(frozen=True)
class Curves(Figure):
    """Lines with their points, both (n,), marks, shaded spans and levels, and rules across; `second` is another scale
    at the right edge. `keys` is a legend in place of one of all lines."""

    lines: Sequence[tuple[Series, Array, Array]]
    x_title: str
    y_title: str
    log: bool
    marks: Sequence[Mark] = ()
    clock: bool = False
    spans: Sequence[Span] = ()
    levels: Sequence[Level] = ()
    rules: Sequence[Rule] = ()
    second: SecondScale | None = None
    keys: Sequence[Key] | None = None
    gaps: Sequence[Gap] = ()

    @property
    def alt(self) -> str:
        return f"{self.y_title} against {self.x_title}: " + ", ".join(s.label for s, _, _ in self.lines if not s.of)

    def _axes(self) -> tuple[Axis, Axis]:
        ends = []
        for part in (1, 2):
            across = np.array([rule.y for rule in self.rules if part == 2])
            all_values = np.concatenate([across, *(line[part] for line in self.lines)])
            all_values = all_values[~np.isnan(all_values)]
            if part == 1 and self.gaps:
                all_values = np.concatenate([all_values, [at for gap in self.gaps for at in (gap.start, gap.end)]])
            ends.append((float(all_values.min()), float(all_values.max())) if all_values.size else (1.0, 10.0))
        unit = "clock" if self.clock else ""
        return Axis(*ends[0], self.x_title, unit=unit), Axis(*padded(*ends[1], self.log), self.y_title, self.log)

    def body(self, on: Drawing, width: float) -> float:
        x, y = self._axes()
        left, marks = gutter(y, self.plot_height), sorted(self.marks, key=lambda mark: -mark.x)
        keys = [Key(s.label, s.colour, s.dashes, s.dots) for s, _, _ in self.lines if not s.of]
        top = legend(on, keys if self.keys is None else self.keys, left, width) + 12 + 14 * len(marks)
        box = Box(left, top, width - right_gutter(self.second, y, self.plot_height), top + self.plot_height)
        for span in self.spans:
            _span(on, box, span, x)
        for level in self.levels:
            _level(on, box, level, y)
        bands(on, box, self.gaps, x)
        axes(on, box, x, y)
        if self.second is not None:
            paint_second(on, box, self.second, y, width)
        paint_rules(on, box, self.rules, y)
        drawn = []
        # What is faint lies below what it is the raw line of.
        for series, xs, ys in sorted(self.lines, key=lambda line: not line[0].of):
            at = x.place(xs, box.left, box.right), y.place(ys, box.bottom, box.top)
            drawn.append(at)
            for stretch in _stretches(ys):
                _line(on, series, at[0][stretch], at[1][stretch], alone=len(xs) == 1)
        name_rules(on, box, self.rules, y, drawn if self.rules else [])
        edges(on, box, self.gaps, x)
        for row, mark in enumerate(marks):
            _mark(on, box, mark, x, y, row)
        return box.bottom + 44


def _stretches(values: Array) -> list[slice]:
    """Where there are values without a gap (NaN) between them."""
    there = np.concatenate([[False], ~np.isnan(values), [False]])
    edges = np.flatnonzero(there[1:] != there[:-1]).tolist()
    return [slice(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _line(on: Drawing, series: Series, x: Array, y: Array, *, alone: bool) -> None:
    """One stretch of a line without a gap; a single point is a dot."""
    if series.dots:
        for at in zip(x.tolist(), y.tolist(), strict=True):
            on.circle(*at, 2.2, series.colour)
    elif len(x) == 1:
        on.circle(float(x[0]), float(y[0]), 3.5 if alone else 2, series.colour)
    elif series.of:
        on.path(x, y, series.colour, 1, opacity=0.28)
    else:
        on.path(x, y, series.colour, dash=" ".join(map(str, series.dashes)))


def _span(on: Drawing, box: Box, span: Span, x: Axis) -> None:
    start, end = (
        float(np.clip(x.place(at, box.left, box.right), box.left, box.right)) for at in (span.start, span.end)
    )
    if end <= start:
        return
    on.rect(start, box.top, end - start, box.bottom - box.top, _tint(span.colour))
    if cut(span.label, end - start - 8) == span.label:
        on.text((start + end) / 2, box.top + 9, span.label, anchor="middle")


def _level(on: Drawing, box: Box, level: Level, y: Axis) -> None:
    bottom, top = (
        float(np.clip(y.place(np.clip(at, y.low, y.high), box.bottom, box.top), box.top, box.bottom))
        for at in (level.low, level.high)
    )
    if bottom <= top:
        return
    on.rect(box.left, top, box.right - box.left, bottom - top, _tint(level.colour))
    if bottom - top >= 14:
        on.text(box.right - 6, top + 9, level.label, anchor="end", size=10)


def _tint(colour: str) -> str:
    return "#" + "".join(f"{round(255 - 0.12 * (255 - part)):02x}" for part in rgb(colour))


def _mark(on: Drawing, box: Box, mark: Mark, x: Axis, y: Axis, row: int) -> None:
    """A rule, or a ring with a thin line up to its words, which stand above the plot, where no curve runs: in a row
    of their own, the last mark lowest, so that no line runs through them."""
    at = float(x.place(mark.x, box.left, box.right))
    if not box.left - 1 <= at <= box.right + 1:
        return
    foot = box.bottom if mark.y is None else float(y.place(mark.y, box.bottom, box.top))
    on.line(at, box.top - 6 - 14 * row, at, foot, mark.colour, 1.25 if mark.y is None else 0.75, "2 3")
    if mark.y is not None:
        on.circle(at, foot, 4, LIGHT.background, mark.colour)
    words = cut(mark.label, (box.right - box.left) / 2)
    after = at + 8 + text_width(words) > box.right
    anchor = "end" if after else "start"
    on.text(at + (-6 if after else 6), box.top - 11 - 14 * row, words, colour=LIGHT.text, anchor=anchor)


def curves(
    table: pa.Table, series: Sequence[Series], *, x_title: str, y_title: str, log: bool, marks: Sequence[Mark] = (),
    clock: bool = False, spans: Sequence[Span] = (), levels: Sequence[Level] = (), gaps: Sequence[Gap] = (),
) -> Curves:  # fmt: skip
    """Lines over `table` (columns series: string, x: float64, y: float64), one per entry of `series`.

    Values that are not finite, and on a log axis those that are not positive, are left out: the caller reports them,
    and gives those that are not finite as `gaps`. A line breaks where y is NULL. A series of one point is a dot. With
    `clock`, x is Unix time in seconds, shown in UTC.
    """
    lines = []
    for one in series:
        rows = table.filter(pc.equal(table["series"], one.label))
        x, y = (rows[name].cast("float64").to_numpy() for name in ("x", "y"))
        gap = rows["y"].is_null().to_numpy(zero_copy_only=False)
        good = np.isfinite(x) & (gap | np.isfinite(y) & ((y > 0) if log else True))
        lines.append((one, x[good], y[good]))
    return Curves(lines, x_title, y_title, log, marks, clock, spans=spans, levels=levels, gaps=gaps)


_MEASURED: Final = 100
"""Characters of a name that tell whether it is too long for its place."""


@dataclass(frozen=True)
class Heatmap(Figure):
    """Rows by columns as `pixels` (rows, columns, 3), with the names of both and what the colours stand for."""

    pixels: Array
    rows: Sequence[str]
    columns: Sequence[str]
    x_title: str
    y_title: str
    scale: Scale

    @property
    def alt(self) -> str:
        return f"{self.scale.quantity}: {len(self.rows)} rows by {len(self.columns)} columns"

    def body(self, on: Drawing, width: float) -> float:
        # Few rows are no thicker than a label needs, and of very many each is still seen.
        each = min(24.0, max(self.plot_height / max(1, len(self.rows)), 2.0))
        names = self._names(math.ceil(13 / each), max(140.0, 0.3 * width))
        left = 10 + max(map(text_width, names.values()), default=0) + (22 if self.y_title else 0)
        top = self.scale.paint(on, left, width) + 2
        box = Box(left, top, width - 14, top + each * len(self.rows))
        wide = (box.right - box.left) / max(1, len(self.columns))
        on.picture(box.left, box.top, box.right - box.left, box.bottom - box.top, self.pixels)
        for k, name in names.items():
            on.text(left - 6, box.top + (k + 0.5) * each, name, anchor="end")
        for k in range(0, len(self.columns), max(1, math.ceil(64 / wide))):
            on.text(box.left + (k + 0.5) * wide, box.bottom + 13, self.columns[k], anchor="middle")
        titles(on, box, self.x_title, self.y_title)
        return box.bottom + 44

    def _names(self, every: int, most: float) -> dict[int, str]:
        """Row -> its name in at most so many pixels, of each row that has room for one: without the words that most
        rows share where the whole ones are too long."""
        named = range(0, len(self.rows), every)
        long = any(text_width(shortened(self.rows[k], _MEASURED)) > most for k in named)
        names = brief(self.rows) if long else self.rows
        return {k: cut(names[k], most) for k in named}


def tensor_heatmap(
    table: pa.Table, rows: Sequence[str], *, quantity: str, log: bool = True, y_title: str = ""
) -> Heatmap:
    """Row x step over `table` (columns row: string, step: int64, value: float64, > 0 where `log`), rows in the
    given order, steps evenly spaced by index: they are the snapshots that exist. White where there is no value."""
    steps, column = np.unique(table["step"].to_numpy(), return_inverse=True)
    place = {name: k for k, name in enumerate(rows)}
    row = np.array([place.get(name, -1) for name in table["row"].to_pylist()], np.int64)
    values = np.full((len(rows), len(steps)), np.nan)
    values[row[row >= 0], column[row >= 0]] = table["value"].cast("float64").to_numpy()[row >= 0]
    shares, low, high = log_shares(values) if log else _shares(values)
    middle = label_number(math.sqrt(low * high), 2) if log and high > 1.5 * low else ""
    scale = Scale(quantity + (" (log scale)" if log else ""), SEQUENTIAL, *ends(low, high), middle)
    return Heatmap(
        heatmap(shares, SEQUENTIAL), list(rows), [label_number(float(step)) for step in steps], "step", y_title,
        scale,
    )  # fmt: skip


def _shares(values: Array) -> tuple[Array, float, float]:
    good = values[np.isfinite(values)]
    low, high = (float(good.min()), float(good.max())) if good.size else (np.nan, np.nan)
    return (values - low) / (high - low if high > low else 1.0), low, high
