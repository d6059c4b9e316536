"""Movies of a run's inside: one picture a snapshot, by numpy and Pillow, with fixed axes and one colour scale."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from strobe.charts.colours import colour_table, heatmap
from strobe.charts.theme import CYCLIC, DIVERGING, LIGHT, SEQUENTIAL

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, Any]
HEAD: Final = 34
"""Pixels above a picture for its words."""
PAD: Final = 14


def _sheet(width: int, height: int, words: str) -> tuple[Image, Any]:
    from PIL import Image, ImageDraw, ImageFont

    sheet = Image.new("RGB", (width, height), LIGHT.background)
    draw = ImageDraw.Draw(sheet)
    draw.text((PAD, 9), words, fill=LIGHT.text, font=ImageFont.load_default(15))
    return sheet, draw


def _scaled(picture: Array, width: int, height: int) -> Image:
    from PIL import Image

    return Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST)


def attention_frame(att: Array, words: str, size: int = 480) -> Image:
    """Heads across, layers down, from `att` (layer, head, query, key) in 0..1; later keys stay white.

    The colour is linear up to 8 positions and the square root of the weight beyond, as in the app.
    """
    layers, heads, length, _ = att.shape
    shares = np.sqrt(att) if length > 8 else np.array(att, float)
    shares[..., np.triu(np.ones((length, length), bool), 1)] = np.nan
    cell = (size - PAD) // heads - PAD
    sheet, draw = _sheet(size, HEAD + layers * (cell + PAD + 14) + PAD, words)
    for layer, head in np.ndindex(layers, heads):
        x, y = PAD + head * (cell + PAD), HEAD + 14 + layer * (cell + PAD + 14)
        sheet.paste(_scaled(heatmap(shares[layer, head], SEQUENTIAL), cell, cell), (x, y))
        draw.text((x, y - 14), f"L{layer} H{head}", fill=LIGHT.muted)
    return sheet


def matrix_frame(values: Array, reach: float, words: str, size: int = 480) -> Image:
    """A matrix (rows, columns) from -reach (blue) over 0 to reach (red)."""
    picture = heatmap((values / reach + 1) / 2, DIVERGING)
    rows, columns = values.shape
    width = size - 2 * PAD
    height = min(max(width * rows // columns, 40), 2 * size)
    sheet, _ = _sheet(size, HEAD + height + PAD, words)
    sheet.paste(_scaled(picture, width, height), (PAD, HEAD))
    return sheet


def embedding_frame(points: Array, reach: float, labels: Sequence[str], words: str, size: int = 480) -> Image:
    """Points (n, 2) between -reach and reach, coloured by their place round the cyclic map; every tenth is named."""
    sheet, draw = _sheet(size, HEAD + size, words)
    table = colour_table(CYCLIC)
    half, middle = size / 2 - PAD - 8, HEAD + size / 2
    draw.line([(PAD, middle), (size - PAD, middle)], fill=LIGHT.border)
    draw.line([(size / 2, HEAD), (size / 2, HEAD + size)], fill=LIGHT.border)
    every = max(10, len(points) // 10)
    for k, (x, y) in enumerate(points):
        if not np.isfinite(x + y):
            continue
        at = size / 2 + x / reach * half, middle - y / reach * half
        colour = tuple(int(c) for c in table[round(255 * k / len(points))])
        draw.ellipse([at[0] - 4, at[1] - 4, at[0] + 4, at[1] + 4], fill=colour)
        if k % every == 0:
            draw.text((at[0] + 6, at[1] - 6), labels[k], fill=LIGHT.text)
    return sheet


def write_gif(path: Path, frames: Sequence[Image], fps: float) -> None:
    """An endless GIF; all frames share the palette of the last, which shows every colour in use."""
    from PIL.Image import Dither

    palette = frames[-1].quantize(255)
    indexed = [frame.quantize(palette=palette, dither=Dither.NONE) for frame in frames]
    indexed[0].save(path, "GIF", save_all=True, append_images=indexed[1:], duration=round(1000 / fps), loop=0)


def write_mp4(path: Path, frames: Sequence[Image], fps: float) -> None:
    """H.264 through imageio-ffmpeg. Raises ModuleNotFoundError where that is not installed."""
    import imageio_ffmpeg

    wide, high = (side - side % 2 for side in frames[0].size)
    writer = imageio_ffmpeg.write_frames(str(path), (wide, high), fps=fps, macro_block_size=2, quality=7)
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(np.asarray(frame)[:high, :wide]))
    writer.close()


_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>@title@</title>
<style>
:root { color-scheme: light dark; } body { font: 15px system-ui, sans-serif; margin: 24px auto; width: fit-content; }
img { display: block; max-width: 100%; border-radius: 8px; } div { display: flex; gap: 12px; margin-top: 12px; }
input { flex: 1; } button { width: 72px; }
</style>
<h1 style="font-size:18px">@title@</h1><img alt="@title@">
<div><button>Play</button><input type="range" min="0" value="0" aria-label="Snapshot"></div>
<script>
const frames = @frames@, img = document.querySelector("img"), bar = document.querySelector("input");
const button = document.querySelector("button");
let timer = 0;
bar.max = frames.length - 1;
const show = (k) => { bar.value = k; img.src = "data:image/png;base64," + frames[k]; };
const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
const next = () => show((+bar.value + 1) % frames.length);
const play = () => { timer = setInterval(next, @pause@); button.textContent = "Pause"; };
button.onclick = () => (timer ? stop() : play());
bar.oninput = () => { stop(); show(+bar.value); };
addEventListener("keydown", (e) => {
  if (e.key === " " && e.target !== button) { e.preventDefault(); timer ? stop() : play(); }
  const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
  if (by && e.target !== bar) { stop(); show(Math.max(0, Math.min(frames.length - 1, +bar.value + by))); }
});
show(frames.length - 1);
</script></html>
"""


def write_html(path: Path, frames: Sequence[Image], fps: float, title: str) -> None:
    """One file that needs no network: play, scrub, arrow keys, space."""
    pictures = []
    for frame in frames:
        data = io.BytesIO()
        frame.save(data, "PNG")
        pictures.append(base64.b64encode(data.getvalue()).decode())
    fields = {"title": html.escape(title), "frames": json.dumps(pictures), "pause": str(round(1000 / fps))}
    page = _PAGE
    for name, value in fields.items():
        page = page.replace(f"@{name}@", value)
    path.write_text(page, encoding="utf-8")


def drawn(
    steps: Iterable[int], draw: Callable[[int], Image], kept: Path, on_frame: Callable[[], object] = lambda: None
) -> list[Image]:
    """The frame of each step, in order; each is kept as a PNG in the folder `kept`, so that an interrupted movie
    draws only what is missing when it is asked for again."""
    from PIL import Image

    kept.mkdir(parents=True, exist_ok=True)
    frames: list[Image.Image] = []
    for step in steps:
        path = kept / f"{step:012}.png"
        if path.is_file():
            with Image.open(path) as found:
                frames.append(found.convert("RGB"))
        else:
            frame = draw(step)
            temporary = path.with_suffix(".tmp")
            frame.save(temporary, "PNG", compress_level=1)
            temporary.rename(path)
            frames.append(frame)
        on_frame()
    return frames
