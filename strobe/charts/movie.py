"""Movies of a run's inside as files. Frames are made while they are written, and each is kept until the end."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from etl.replacing import replacing_path

if TYPE_CHECKING:
    from PIL.Image import Image


class KeptFrame:
    """A frame on disk, still at hand where it was drawn just now."""

    def __init__(self, path: Path, image: Image | None = None) -> None:
        self.path, self._image = path, image

    @property
    def image(self) -> Image:
        """The picture; once only from memory, so that a long movie holds few."""
        image, self._image = self._image, None
        if image is not None:
            return image
        from PIL import Image as Pillow

        with Pillow.open(self.path) as picture:
            picture.load()
            return picture


def drawn(
    steps: Sequence[int], draw: Callable[[int], Image], kept: Path, on_frame: Callable[[], object] = lambda: None
) -> Iterator[KeptFrame]:
    """The frame of each step, in order; each is kept as a PNG in the folder `kept`, so that an interrupted movie
    draws only what is missing when it is asked for again."""
    kept.mkdir(parents=True, exist_ok=True)
    for step in steps:
        path, image = kept / f"{step:012}.png", None
        if not path.is_file():
            image = draw(step)
            with replacing_path(path, fsync=False) as temporary:
                image.save(temporary, "PNG", compress_level=1)
        on_frame()
        yield KeptFrame(path, image)


def write_gif(path: Path, frames: Iterable[KeptFrame], fps: float, title: str) -> int:
    """An endless GIF of frames that share one palette, the title as its comment. Returns how many there are."""
    images = (frame.image for frame in frames)
    first = next(images)
    count = 1

    def rest() -> Iterator[Image]:
        nonlocal count
        for image in images:
            count += 1
            yield image

    first.save(
        path, "GIF", save_all=True, append_images=rest(), duration=round(1000 / fps), loop=0, optimize=False,
        comment=title.encode(errors="replace"),
    )  # fmt: skip
    return count


def write_mp4(path: Path, frames: Iterable[KeptFrame], fps: float, title: str) -> int:
    """H.264 through imageio-ffmpeg, which encodes while the next frame is drawn, with the title as the file's own.
    Returns how many there are. Raises ModuleNotFoundError where it is not installed."""
    import imageio_ffmpeg

    # No word of a command line has a NUL in it.
    writer, count, said = None, 0, title.replace("\0", " ").encode(errors="replace").decode()
    try:
        for frame in frames:
            picture = np.asarray(frame.image.convert("RGB"))
            # The codec takes even sides only.
            high, wide = (side - side % 2 for side in picture.shape[:2])
            if writer is None:
                # The quality is fixed, so a faster search costs size (a third for noise), not looks.
                writer = imageio_ffmpeg.write_frames(
                    str(path), (wide, high), fps=fps, macro_block_size=2, quality=7,
                    output_params=["-preset", "ultrafast", "-movflags", "+faststart", "-metadata", f"title={said}"],
                )  # fmt: skip
                writer.send(None)
            writer.send(np.ascontiguousarray(picture[:high, :wide]))
            count += 1
    finally:
        if writer is not None:
            writer.close()
    return count


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


def write_html(path: Path, frames: Iterable[KeptFrame], fps: float, title: str) -> int:
    """One file that needs no network: play, scrub, arrow keys, space. Returns how many frames there are."""
    pictures = [base64.b64encode(frame.path.read_bytes()).decode() for frame in frames]
    fields = {"title": html.escape(title), "frames": json.dumps(pictures), "pause": str(round(1000 / fps))}
    page = _PAGE
    for name, value in fields.items():
        page = page.replace(f"@{name}@", value)
    path.write_text(page, encoding="utf-8")
    return len(pictures)
