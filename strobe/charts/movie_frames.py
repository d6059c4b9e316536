"""The pictures of a movie, by numpy and Pillow: what is shown in words, a scale of colours with its range, and it.

Every size grows with the width of the frame, so that a movie for a slide reads like one for a page.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etl.shortened import fitted
from strobe.charts.axes import label_number
from strobe.charts.colours import colour_table, heatmap, named_tokens, rgb, token_colours, token_range
from strobe.charts.theme import CYCLIC, DIVERGING, LIGHT, SEQUENTIAL

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, Any]
HEAD: Final = 74
"""Units above the picture: two lines of words and the scale of colours."""
PAD: Final = 14
"""Units between pictures, and round them."""
_SHADES: Final = 240
"""Of the map of colours in the palette of a movie; the rest are the ground and greys for words, none so light that
Pillow, which looks in boxes of colours, takes it for the ground."""
_POWER: Final = re.compile("(×?)10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_ASCII: Final = str.maketrans("×−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "x--0123456789")


@dataclass(frozen=True)
class Words:
    """`heading` changes with each frame (run, step, metric); `about` says what is shown, in all of them alike."""

    heading: str
    about: str = ""


@functools.cache
def _font(pixels: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(pixels)


@functools.cache
def _palette(colours: tuple[str, ...]) -> Image:
    """One for all frames: the map of colours, the white ground, and greys to the colour of the text."""
    from PIL import Image

    shades = colour_table(colours)[np.linspace(0, 255, _SHADES).round().astype(int)]
    greys = colour_table([LIGHT.border, LIGHT.muted, LIGHT.text])
    picked = greys[np.linspace(0, 255, 255 - _SHADES).round().astype(int)]
    made = Image.new("P", (1, 1))
    made.putpalette(np.concatenate([shades, [rgb(LIGHT.background)], picked]).astype(np.uint8).tobytes())
    return made


def plain(words: str) -> str:
    """`words` in the letters that Pillow's own font has: 2.3e-5 for 2.3×10⁻⁵, x for ×."""
    return _POWER.sub(lambda power: f"{'e' if power[1] else '1e'}{power[2]}", words).translate(_ASCII)


class FrameDrawing:
    """One frame being drawn; `unit` is a pixel of a frame 480 wide."""

    def __init__(self, size: int, height: float, words: Words, colours: Sequence[str]) -> None:
        """`height` in units, below the words."""
        from PIL import Image, ImageDraw

        self.unit, self._colours = size / 480, tuple(colours)
        self.image = Image.new("RGB", (size, round((HEAD + height) * self.unit)), LIGHT.background)
        self._draw = ImageDraw.Draw(self.image)
        self.text(PAD, 8, words.heading, LIGHT.text, 15)
        self.text(PAD, 30, words.about, LIGHT.muted, 12)

    def text(self, x: float, y: float, words: str, colour: str, size: int = 12) -> float:
        """Words with their top left corner at (x, y), cut in the middle where they would reach over the right edge;
        returns where they end."""
        font, room = _font(max(7, round(size * self.unit))), self.image.width - x * self.unit
        words = fitted(plain(words), lambda some: font.getlength(some) <= room, "...")
        self._draw.text((x * self.unit, y * self.unit), words, fill=colour, font=font)
        return x + float(font.getlength(words)) / self.unit

    def centred(self, x: float, y: float, words: str, room: float) -> None:
        """Small words with their middle at (x, y), left out where they are wider than `room`."""
        font, words = _font(max(7, round(11 * self.unit))), plain(words)
        # A letter takes more than a unit: what has more of them need not be measured.
        if len(words) <= room and font.getlength(words) <= room * self.unit:
            self._draw.text((x * self.unit, y * self.unit), words, fill=LIGHT.muted, font=font, anchor="mm")

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        ends = [(x1 * self.unit, y1 * self.unit), (x2 * self.unit, y2 * self.unit)]
        self._draw.line(ends, fill=LIGHT.border, width=max(1, round(self.unit)))

    def paste(self, pixels: Array, x: float, y: float, width: float, height: float) -> None:
        """`pixels` (rows, columns, 3) stretched over a box, cells crisp."""
        from PIL import Image

        size = max(1, round(width * self.unit)), max(1, round(height * self.unit))
        picture = Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)
        self.image.paste(picture, (round(x * self.unit), round(y * self.unit)))

    def scale(self, quantity: str, low: str, high: str, middle: str = "") -> None:
        """What the colours stand for, under the words: quantity, least, bar, greatest."""
        x = self.text(PAD, 50, quantity, LIGHT.muted) + 12
        x = self.text(x, 50, low, LIGHT.text) + 6
        self.paste(colour_table(self._colours)[None], x, 52, 96, 9)
        if middle:
            self.text(x + 45, 62, middle, LIGHT.muted, 10)
        self.text(x + 102, 50, high, LIGHT.text)

    def dot(self, x: float, y: float, colour: tuple[int, int, int]) -> None:
        mask = _dot(max(3, round(8.6 * self.unit)))
        at = round(x * self.unit - mask.width / 2), round(y * self.unit - mask.height / 2)
        self.image.paste(colour, (*at, at[0] + mask.width, at[1] + mask.height), mask)

    def done(self) -> Image:
        """The frame in the palette that all frames of its movie share."""
        from PIL.Image import Dither

        return self.image.quantize(palette=_palette(self._colours), dither=Dither.NONE)


@functools.cache
def _dot(size: int) -> Image:
    """The mask of a disc with a soft edge."""
    from PIL import Image, ImageDraw

    large = Image.new("L", (8 * size, 8 * size))
    ImageDraw.Draw(large).ellipse((0, 0, 8 * size - 1, 8 * size - 1), fill=255)
    return large.resize((size, size), Image.Resampling.BOX)


def attention_frame(
    att: Array, words: Words, size: int = 480, positions: Sequence[str] = (), *, root: bool = False
) -> Image:
    """Heads across, layers down, from `att` (layer, head, query, key) in 0..1; what is NaN stays white. The colour is
    the weight, or its square `root`. `positions` are named where it is the weight: beside the first head's rows and
    under the columns of the last layer.
    """
    layers, heads, length, keys = att.shape
    shares = np.sqrt(att) if root else np.array(att, float)
    cell = max((480 - PAD) / heads - PAD, 6.0)
    named = cell >= 34
    down = cell + PAD + (14 if named else 0)
    positions = positions if named and not root and length == keys else ()
    drawing = FrameDrawing(size, layers * down + (18 if positions else 6), words, SEQUENTIAL)
    drawing.scale("weight (square-root scale)" if root else "weight", "0", "1")
    for layer, head in np.ndindex(layers, heads):
        x, y = PAD + head * (cell + PAD), HEAD + layer * down + (14 if named else 0)
        drawing.paste(heatmap(shares[layer, head], SEQUENTIAL), x, y, cell, cell)
        if named:
            drawing.text(x, y - 15, f"L{layer}  H{head}" if layers > 1 else f"head {head}", LIGHT.muted, 11)
        for k, name in enumerate(positions):
            middle = (k + 0.5) * cell / length
            if head == 0:
                drawing.centred(x - PAD / 2, y + middle, name, PAD)
            if layer == layers - 1:
                drawing.centred(x + middle, y + cell + 9, name, cell / length)
    return drawing.done()


def matrix_frame(
    values: Array, reach: float, words: Words, size: int = 480, shape: tuple[int, int] = (1, 1)
) -> Image:
    """Cells (rows, columns) from -reach (blue) over 0 to reach (red), as high as a matrix of `shape` would be, from
    a tenth of its width to the whole of it."""
    wide = 480 - 2 * PAD
    high = min(max(wide * shape[0] / shape[1], wide / 10), wide)
    drawing = FrameDrawing(size, high + PAD, words, DIVERGING)
    drawing.scale("weight", "−" + label_number(reach, 2), label_number(reach, 2), "0")
    drawing.paste(heatmap((values / reach + 1) / 2, DIVERGING), PAD, HEAD, wide, high)
    return drawing.done()


def embedding_frame(
    points: Array, reach: float, labels: Sequence[str], words: Words, size: int = 480, turn: int = 1
) -> Image:
    """Points (n, 2) between -reach and reach, in the colours of `token_colours` by `turn` times the residue, every
    tenth named."""
    drawing = FrameDrawing(size, 480, words, CYCLIC)
    middle, half = HEAD + 240, 240 - PAD - 8
    drawing.scale(
        f"{turn} × token, mod {int(token_range(labels)[1]) + 1}" if turn > 1 else "token", *token_range(labels)
    )
    drawing.line(PAD, middle, 480 - PAD, middle)
    drawing.line(240, HEAD, 240, HEAD + 480 - PAD)
    for sign, edge in ((-1, "−"), (1, "")):
        drawing.text(
            240 + sign * half - (2 if sign < 0 else 24), middle + 3, edge + label_number(reach, 2), LIGHT.muted, 10
        )
    colours, named = token_colours(labels, turn), set(named_tokens(labels))
    placed = np.flatnonzero(np.isfinite(points).all(axis=1)).tolist()
    across, up = 240 + points[:, 0] / reach * half, middle - points[:, 1] / reach * half
    for k in placed:
        drawing.dot(across[k], up[k], tuple(colours[k].tolist()))
    for k in placed:
        if k in named:
            drawing.text(across[k] + 6, up[k] - 7, labels[k], LIGHT.text, 11)
    return drawing.done()
