"""Axes of printed figures: round ticks, their words, and where a value stands; as the app's panels draw them."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np

from strobe.charts.svg import Drawing, text_width
from strobe.charts.theme import LIGHT

Array = np.ndarray[Any, Any]
_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DAY: Final = 86_400
_SPANS: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, _DAY, 2 * _DAY, 7 * _DAY,
    30 * _DAY,
)  # fmt: skip
"""Seconds between ticks of a clock."""
_MOST: Final = sys.float_info.max
_LEAST: Final = math.ulp(0.0)


class Box(NamedTuple):
    """Where a plot stands, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


def power(k: int) -> str:
    """10⁻⁸ for -8."""
    return "10" + str(k).translate(_SUPERSCRIPTS)


def label_number(value: float, digits: int = 3) -> str:
    """A number for a label: 4,200  0.0031  3.1×10⁻⁷."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "+infinity" if value > 0 else "−infinity"
    size, sign = abs(value), "−" if value < 0 else ""
    if size == round(size) and size < 1e9:
        return f"{sign}{round(size):,}"
    if 1e-3 <= size < 1e6:
        body = f"{size:,.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
        return sign + (body.rstrip("0").rstrip(".") if "." in body else body)
    head, _, exponent = f"{size:.{digits - 1}e}".partition("e")
    head = head.rstrip("0").rstrip(".") if "." in head else head
    return sign + ("" if head == "1" else head + "×") + power(int(exponent))


def ends(low: float, high: float, words: Callable[[float, int], str] = label_number) -> tuple[str, str]:
    """Both ends of a scale in as few figures, from two to seven, as tell them apart."""
    told = (digits for digits in range(2, 7) if words(low, digits) != words(high, digits))
    digits = next(told, 7 if low < high else 2)
    return words(low, digits), words(high, digits)


def ticks(low: float, high: float, count: float) -> list[float]:
    """About `count` round values in [low, high]."""
    if not high > low:
        return [low]
    scale = _reach(low, high)
    low, high = low * scale, high * scale
    rough = (high - low) / max(1.0, count)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough * (1 - 1e-12))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    made = dict.fromkeys(k * step / scale for k in range(first, last + 1))
    return [value for value in made if math.isfinite(value)]


def _reach(low: float, high: float) -> float:
    """By which power of ten to multiply both, so that float64 holds their distance and its parts."""
    return 0.1 if not math.isfinite(high - low) else 1e100 if high - low < 1e-290 else 1.0


def padded(low: float, high: float, log: bool) -> tuple[float, float]:
    """A little room below and above, as far as float64 goes."""
    if log and low == high:
        low, high = low / 2, high * 2
    elif log:
        decades = math.log10(high) - math.log10(low)
        low, high = low * 10 ** (-0.03 * decades), high * 10 ** (0.06 * decades)
    elif low == high:
        low, high = (0.0, 2 * high) if high > 0 else (high - 1, high + 1)
    else:
        room = high * 0.05 - low * 0.05
        low, high = low - room, high + room
    return max(low, _LEAST if log else -_MOST), min(high, _MOST)


def decades(low: float, high: float, most: float = 9) -> list[float]:
    """Powers of ten in [low, high], thinned to about `most` but never below three: no fog of minor lines; [] if none
    is inside."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, min(math.ceil((last - first + 1) / max(1.0, most)), (last - first) // 2))
    return [10.0**k for k in range(first, last + 1, every)]


def log_ticks(low: float, high: float, count: float) -> list[float]:
    """Ticks of a log axis: decades, or where fewer than three are in sight 1, 2 and 5 of each (1 and 3 where those
    are more than `count`), or round values between them: three at least, where float64 allows it."""
    whole = decades(low, high, count)
    if len(whole) > 2:
        return whole
    between = [made for of in ((1, 2, 5), (1, 3)) if len(made := _multiples(low, high, of)) > 2]
    if between:
        return next((made for made in between if len(made) <= count), between[-1])
    round_values = ticks(low, high, 3)
    for many in range(4, 12):
        if len(round_values) < 3:
            round_values = ticks(low, high, many)
    return round_values


def _multiples(low: float, high: float, of: tuple[int, ...]) -> list[float]:
    """The multiples of all powers of ten in [low, high]."""
    first, last = math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1
    # A power of ten by its digits: those that are multiplied together miss it by a last bit.
    made = [float(f"{m}e{k}") for k in range(first, last + 1) for m in of]
    return [v for v in made if 0 < v < math.inf and low * (1 - 1e-12) <= v <= high * (1 + 1e-12)]


def moments(low: float, high: float, count: float) -> list[float]:
    """About `count` round moments in [low, high]: Unix seconds of UTC, or a time since a beginning."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1.0, count)
    step = next((s for s in _SPANS if s >= rough), _SPANS[-1] * math.ceil(rough / _SPANS[-1]))
    return [float(k * step) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _duration(seconds: float) -> str:
    for unit, scale in (("h", 3600.0), ("min", 60.0)):
        if abs(seconds) >= 2 * scale:
            return f"{label_number(seconds / scale)} {unit}"
    return f"{label_number(seconds)} s"


def _told_apart(values: list[float]) -> list[str]:
    """Three figures, or as many as tell neighbours apart: 0.99991, 0.99992."""
    words: list[str] = []
    for digits in range(3, 13):
        words = [label_number(v, digits) for v in values]
        if len(set(words)) == len(values):
            break
    return words


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`. `unit` is "" for numbers, "s" for seconds, "clock" for Unix seconds shown in UTC."""

    low: float
    high: float
    title: str
    log: bool = False
    unit: str = ""

    def place(self, values: Array | float, start: float, end: float) -> Array:
        """Pixels of `values`: `low` at `start`, `high` at `end`; the middle where they are one."""
        # One logarithm for all of them: two libraries differ in the last bit, and an end would lie beside its place.
        low, high = (float(np.log10(v)) if self.log else v for v in (self.low, self.high))
        at = np.log10(values) if self.log else np.asarray(values, np.float64)
        if high == low:
            return np.full(np.shape(at), (start + end) / 2)
        scale = _reach(low, high)
        low, high, at = low * scale, high * scale, at * scale
        return np.asarray(start + (at - low) / (high - low) * (end - start))

    def ticks(self, count: float) -> list[tuple[float, str]]:
        """About `count` values with their words."""
        if self.log:
            values = log_ticks(self.low, self.high, count)
            powers = [round(math.log10(v)) for v in values]
            if all(math.isclose(v, 10.0**k) for v, k in zip(values, powers, strict=True)):
                return [
                    (v, label_number(v) if -3 <= k <= 4 else power(k)) for v, k in zip(values, powers, strict=True)
                ]
            return list(zip(values, _told_apart(values), strict=True))
        if self.unit == "clock":
            long = self.high - self.low > 2 * _DAY
            shape = "%-d %b" if long else "%H:%M" if self.high - self.low > 300 else "%H:%M:%S"
            made = moments(self.low, self.high, count)
            return [(v, datetime.fromtimestamp(v, UTC).strftime(shape)) for v in made]
        if self.unit == "s" and self.high - self.low > 120:
            return [(v, _duration(v)) for v in moments(self.low, self.high, count)]
        values = ticks(self.low, self.high, count)
        if self.unit == "s":
            return [(v, f"{words} s") for v, words in zip(values, _told_apart(values), strict=True)]
        return list(zip(values, _told_apart(values), strict=True))


def gutter(y: Axis, height: float) -> float:
    """Pixels left of a plot for the labels and the title of its y axis."""
    return 34 + max(text_width(words) for _, words in y.ticks(height / (26 if y.log else 34)))


def axes(on: Drawing, box: Box, x: Axis | None, y: Axis) -> None:
    """Faint horizontal grid, labels, and both titles; the plot's ground line. Without `x`, nothing is said below."""
    for value, words in y.ticks((box.bottom - box.top) / (26 if y.log else 34)):
        at = float(y.place(value, box.bottom, box.top))
        on.line(box.left, at, box.right, at, LIGHT.border)
        on.text(box.left - 6, at, words, anchor="end")
    on.line(box.left, box.bottom, box.right, box.bottom, LIGHT.muted, 0.75)
    titles(on, box, "", y.title)
    if x is None:
        return
    titles(on, box, x.title + (" (UTC)" if x.unit == "clock" else ""), "")
    for value, words in x.ticks((box.right - box.left) / 70):
        at = float(x.place(value, box.left, box.right))
        on.line(at, box.bottom, at, box.bottom + 4, LIGHT.border)
        # The last label moves in rather than being cut at the edge.
        over = max(0.0, at + text_width(words) / 2 - box.right - 12)
        on.text(at - over, box.bottom + 14, words, anchor="middle")


def titles(on: Drawing, box: Box, x: str, y: str) -> None:
    """The names of both axes, where they have one: below the plot, and upwards at the left edge of the figure."""
    if x:
        on.text((box.left + box.right) / 2, box.bottom + 33, x, anchor="middle")
    if y:
        on.text(8, (box.top + box.bottom) / 2, y, anchor="middle", turned=True)
