"""Movies as other programs read them: how many frames, how long each stands, how large they are."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strobe.charts.movie import KeptFrame, drawn, write_gif, write_html, write_mp4

WIDE, HIGH = 63, 37
STEPS = (0, 10, 500)


def draw(step: int) -> Image.Image:
    return Image.fromarray(np.full((HIGH, WIDE, 3), (step % 251, 200, 60), np.uint8))


@pytest.fixture
def frames(tmp_path: Path) -> list[KeptFrame]:
    return list(drawn(STEPS, draw, tmp_path / "kept"))


def test_a_gif_repeats_for_ever_at_its_pace(tmp_path: Path, frames: list[KeptFrame]) -> None:
    assert write_gif(tmp_path / "a.gif", frames, 4, "a < b") == 3
    with Image.open(tmp_path / "a.gif") as found:
        assert (found.n_frames, found.size, found.info["duration"], found.info["loop"]) == (3, (WIDE, HIGH), 250, 0)
        assert found.info["comment"] == b"a < b"


def test_an_mp4_has_its_pace_and_even_sides(tmp_path: Path, frames: list[KeptFrame]) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    assert write_mp4(tmp_path / "a.mp4", frames, 4, "a = b\0") == 3
    command = [ffmpeg.get_ffmpeg_exe(), "-i", str(tmp_path / "a.mp4"), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    read = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert f"{WIDE - 1}x{HIGH - 1}" in read.stderr.decode()
    assert " 4 fps" in read.stderr.decode()
    assert re.search(r"title +: a = b", read.stderr.decode())
    found = np.frombuffer(read.stdout, np.uint8).reshape(3, -1, 3).mean(axis=1)
    expected = np.array([[step % 251, 200, 60] for step in STEPS])
    assert np.abs(found - expected).max() < 12


def test_a_page_holds_the_frames_in_order_at_its_pace(tmp_path: Path, frames: list[KeptFrame]) -> None:
    assert write_html(tmp_path / "a.html", frames, 4, "a < b") == 3
    text = (tmp_path / "a.html").read_text()
    pictures = json.loads(re.search(r"const frames = (\[.*?\])", text).group(1))
    assert [base64.b64decode(each) for each in pictures] == [frame.path.read_bytes() for frame in frames]
    assert "setInterval(next, 250)" in text
    assert text.count("a &lt; b") == 3


def test_what_is_kept_is_not_drawn_again(tmp_path: Path, frames: list[KeptFrame]) -> None:
    asked: list[int] = []
    again = list(drawn((0, 10, 500, 600), lambda step: asked.append(step) or draw(step), tmp_path / "kept"))
    assert asked == [600]
    assert [np.asarray(frame.image)[0, 0, 0] for frame in again] == [0, 10, 249, 98]
