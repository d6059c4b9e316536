"""SVG that we write ourselves: text stays text, lines stay lines, and a heatmap is one picture.

A chart library that makes an element of each cell of a heatmap takes a second for a sheet; this takes
milliseconds, and resvg makes PNG and PDF of it.
"""

from __future__ import annotations

import base64
import functools
import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from etl.shortened import fitted
from strobe.charts.theme import FONT, FONT_PX, LIGHT

Array = np.ndarray[Any, Any]

_RAISED: Final = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_PLAIN: Final = str.maketrans(_RAISED, "−0123456789")
_RUN: Final = re.compile(f"([{_RAISED}]+)")
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_MOST_PIXELS: Final = 2400
"""Of a side of an embedded picture."""


@functools.cache
def _font(size: float) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def text_width(words: str, size: float = FONT_PX) -> float:
    """Pixels that `words` take, within a tenth whatever sans-serif the reader has."""
    return float(_font(size).getlength(words)) * 1.04


def wrapped(words: str, width: float, size: float = FONT_PX) -> list[str]:
    """`words` broken at spaces into lines no wider than `width` pixels; a word that is wider itself is cut."""
    lines: list[str] = []
    for word in (cut(word, width, size) for word in words.split()):
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def cut(words: str, width: float, size: float = FONT_PX) -> str:
    """`words`, with an ellipsis in the middle where they are wider than `width` pixels."""
    return fitted(words, lambda some: text_width(some, size) <= width)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


class Drawing:
    """SVG elements in the order in which they are painted; y grows downwards, units are pixels."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._ramps = 0

    def svg(self, width: float, height: float, label: str) -> str:
        """The document on a white ground. `label` says in words what it shows."""
        w, h = _number(width), _number(height)
        words = html.escape(_UNSEEN.sub("\N{REPLACEMENT CHARACTER}", label))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{w}" '
            f'height="{h}" viewBox="0 0 {w} {h}" role="img" font-family="{html.escape(FONT)}">'
            f'<title>{words}</title><rect width="{w}" height="{h}" fill="{LIGHT.background}"/>'
            + "".join(self._parts)
            + "</svg>"
        )

    @contextmanager
    def moved(self, x: float, y: float) -> Iterator[None]:
        """What is drawn inside begins at (x, y)."""
        self._parts.append(f'<g transform="translate({_number(x)},{_number(y)})">')
        yield
        self._parts.append("</g>")

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, dash: str = "") -> None:
        ends = f'x1="{_number(x1)}" y1="{_number(y1)}" x2="{_number(x2)}" y2="{_number(y2)}"'
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(f'<line {ends} stroke="{colour}" stroke-width="{_number(width)}"{dashed}/>')

    def path(
        self, x: Array, y: Array, colour: str, width: float = 1.6, dash: str = "", opacity: float = 1.0
    ) -> None:  # fmt: skip
        """One line through all points, (n,) and (n,)."""
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
        more = (f' stroke-dasharray="{dash}"' if dash else "") + (f' opacity="{opacity}"' if opacity < 1 else "")
        self._parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{_number(width)}" '
            f'stroke-linejoin="round"{more}/>'
        )

    def rect(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        size = f'width="{_number(width)}" height="{_number(height)}"'
        self._parts.append(f'<rect x="{_number(x)}" y="{_number(y)}" {size} fill="{colour}"/>')

    def circle(self, x: float, y: float, radius: float, fill: str, stroke: str = "none") -> None:
        ring = f' stroke="{stroke}" stroke-width="2"' if stroke != "none" else ""
        self._parts.append(f'<circle cx="{_number(x)}" cy="{_number(y)}" r="{_number(radius)}" fill="{fill}"{ring}/>')

    def text(
        self, x: float, y: float, words: str, *, colour: str = LIGHT.muted, size: float = FONT_PX,
        anchor: str = "start", bold: bool = False, turned: bool = False,
    ) -> None:  # fmt: skip
        """Words with their middle line at `y`; `turned` reads upwards. Raised digits (10⁻³) become small ones, which
        every font has."""
        parts = _RUN.split(html.escape(_UNSEEN.sub("\N{REPLACEMENT CHARACTER}", words)))
        up, small = _number(0.38 * size), _number(0.75 * size)
        body, lift = "", ""
        for k, part in enumerate(parts):
            if k % 2:
                body += f'<tspan dy="-{up}" font-size="{small}">{part.translate(_PLAIN)}</tspan>'
                lift = f' dy="{up}"'
            elif part:
                body += f"<tspan{lift}>{part}</tspan>" if lift else part
        place = f'x="{_number(x)}" y="{_number(y + 0.34 * size)}"'
        turn = f' transform="rotate(-90 {_number(x)} {_number(y)})"' if turned else ""
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text {place} fill="{colour}" font-size="{_number(size)}" text-anchor="{anchor}"'
            f"{weight}{turn}>{body}</text>"
        )

    def picture(self, x: float, y: float, width: float, height: float, pixels: Array) -> None:
        """`pixels` (rows, columns, 3) uint8 stretched over a box, cells crisp.

        Each cell becomes several pixels of the embedded PNG, so that a viewer that smooths pictures blurs no more
        than a fraction of it.
        """
        from PIL import Image

        rows, columns = pixels.shape[:2]
        many = [
            max(1, min(4, round(2 * side / n), _MOST_PIXELS // n)) for side, n in ((height, rows), (width, columns))
        ]
        data = io.BytesIO()
        grown = np.repeat(np.repeat(pixels, many[0], axis=0), many[1], axis=1)
        Image.fromarray(grown).save(data, "PNG", compress_level=3)
        coded = base64.b64encode(data.getvalue()).decode()
        size = f'width="{_number(width)}" height="{_number(height)}"'
        self._parts.append(
            f'<image x="{_number(x)}" y="{_number(y)}" {size} preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" xlink:href="data:image/png;base64,{coded}"/>'
        )

    def ramp(self, x: float, y: float, width: float, height: float, colours: Sequence[str]) -> None:
        """A box that goes through `colours` from left to right."""
        self._ramps += 1
        name = f"ramp{self._ramps}"
        stops = "".join(
            f'<stop offset="{_number(k / (len(colours) - 1))}" stop-color="{colour}"/>'
            for k, colour in enumerate(colours)
        )
        self._parts.append(f'<defs><linearGradient id="{name}">{stops}</linearGradient></defs>')
        self.rect(x, y, width, height, f"url(#{name})")
