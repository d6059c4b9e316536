"""What a printed figure is made of: title, legend or scale of colours, plot, caption; and sheets of several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from strobe.charts.svg import Drawing, cut, text_width, wrapped
from strobe.charts.theme import LIGHT

WIDTH: Final = 640
"""Of one figure, in pixels, of which 96 are an inch."""
PAD: Final = 12
_ROW: Final = 20
_SMALL: Final = 11


@dataclass(frozen=True)
class Figure(ABC):
    """A figure that is painted at any width. `title` stands above it and `caption`, in full sentences, below; curves
    are `plot_height` pixels high, and other plots in proportion."""

    title: str = field(default="", kw_only=True)
    caption: str = field(default="", kw_only=True)
    plot_height: float = field(default=300, kw_only=True)

    @abstractmethod
    def body(self, on: Drawing, width: float) -> float:
        """Paints all but title and caption from (0, 0) on; returns the pixels used downwards."""

    @property
    @abstractmethod
    def alt(self) -> str:
        """What is shown, in words, for who cannot see it."""

    def paint(self, on: Drawing, width: float) -> float:
        """Paints all of it from (0, 0) on; returns the pixels used downwards."""
        down = 0.0
        if self.title:
            on.text(0, 8, cut(self.title, width, 14 * 1.05), colour=LIGHT.text, size=14, bold=True)
            down = 26.0
        with on.moved(0, down):
            down += self.body(on, width)
        for words in wrapped(self.caption, width, _SMALL):
            on.text(0, down + 10, words, size=_SMALL)
            down += 15
        return down

    def svg(self, width: float = WIDTH) -> str:
        """The figure as a document, `width` pixels wide."""
        on = Drawing()
        with on.moved(PAD, PAD):
            high = self.paint(on, width - 2 * PAD)
        return on.svg(width, high + 2 * PAD, self.title or self.alt)


@dataclass(frozen=True)
class Key:
    """An entry of a legend: a short line, or with `dot` a dot."""

    label: str
    colour: str
    dash: tuple[int, ...] = ()
    dot: bool = False


def legend(on: Drawing, entries: Sequence[Key], left: float, right: float, top: float = 0.0) -> float:
    """Entries in as many rows as they need; returns where the next thing may begin."""
    x, y = left, top + 8
    for entry in entries:
        words = cut(entry.label, right - left - 28)
        wide = 28 + text_width(words) + 16
        if x > left and x + wide > right + 16:
            x, y = left, y + _ROW
        if entry.dot:
            on.circle(x + 11, y, 4, entry.colour)
        else:
            on.line(x, y, x + 22, y, entry.colour, 2, " ".join(map(str, entry.dash)))
        on.text(x + 28, y, words, colour=LIGHT.text)
        x += wide
    return y + _ROW - 8 if entries else top


@dataclass(frozen=True)
class Scale:
    """What the colours of a plot stand for: `quantity` with its unit, from `low` over `middle` to `high`."""

    quantity: str
    colours: Sequence[str]
    low: str
    high: str
    middle: str = ""

    def paint(self, on: Drawing, left: float, right: float, top: float = 0.0) -> float:
        """One line of words and the bar, from `left` on or as much before it as they need to end at `right`; returns
        where the next thing may begin."""
        rest = 14 + text_width(self.low) + 7 + 120 + 7 + text_width(self.high)
        quantity = cut(self.quantity, min(400, right - rest))
        y, x = top + 8, max(0.0, min(left, right - text_width(quantity) - rest))
        for words, colour in ((quantity, LIGHT.muted), (self.low, LIGHT.text)):
            on.text(x, y, words, colour=colour)
            x += text_width(words) + (14 if colour == LIGHT.muted else 7)
        on.ramp(x, y - 5, 120, 10, self.colours)
        on.text(x + 127, y, self.high, colour=LIGHT.text)
        if self.middle:
            on.line(x + 60, y + 5, x + 60, y + 9, LIGHT.muted)
            on.text(x + 60, y + 16, self.middle, anchor="middle", size=_SMALL)
        return y + (_ROW + 8 if self.middle else _ROW)


@dataclass(frozen=True)
class Sheet(Figure):
    """Figures side by side, `across` in a row, each as wide as the others, under the legend of `keys`."""

    figures: Sequence[Figure]
    across: int = 2
    each: float = 480
    keys: Sequence[Key] = ()

    @property
    def alt(self) -> str:
        return "; ".join(figure.title or figure.alt for figure in self.figures)

    def svg(self, width: float | None = None) -> str:
        across = min(self.across, len(self.figures))
        return super().svg(width or across * self.each + (across - 1) * 2 * PAD + 2 * PAD)

    def body(self, on: Drawing, width: float) -> float:
        across = min(self.across, len(self.figures))
        each = (width - (across - 1) * 2 * PAD) / across
        down = legend(on, self.keys, 0, width) + PAD if self.keys else 0.0
        for first in range(0, len(self.figures), across):
            high = 0.0
            for k, figure in enumerate(self.figures[first : first + across]):
                with on.moved(k * (each + 2 * PAD), down):
                    high = max(high, figure.paint(on, each))
            down += high + 1.5 * PAD
        return down - 1.5 * PAD
