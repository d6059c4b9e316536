"""Movies and parameters of the embedded run: real files that other programs read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import strobe
from etl.errors import StrobeError
from strobe.charts.binning import binned
from strobe.charts.colours import colour_table, heatmap
from strobe.charts.movie import drawn
from strobe.charts.tensors_file import write_safetensors
from strobe.charts.theme import DIVERGING
from strobe.cli import app

STEPS = ["--steps", "0-2000"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    return tmp_path


def export(*words: str) -> str:
    result = CliRunner().invoke(app, ["export", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def chosen() -> list[int]:
    return [step for step in strobe.open().run("grok-p97").steps() if step <= 2000]


@pytest.mark.parametrize("subject", ["attention", "embedding", "weights"])
def test_a_gif_has_a_frame_a_snapshot_on_the_same_sheet(here: Path, subject: str) -> None:
    export("gif", subject, "grok-p97", *STEPS)
    with Image.open(here / f"grok-p97-{subject}.gif") as movie:
        assert movie.n_frames == len(chosen())
        first = np.asarray(movie.convert("RGB"), float)
        movie.seek(movie.n_frames - 1)
        last = np.asarray(movie.convert("RGB"), float)
    assert first.shape == last.shape
    assert np.abs(first - last).max() > 50
    assert not list(here.glob(".*frames"))


def test_an_mp4_plays(here: Path) -> None:
    import imageio_ffmpeg

    export("mp4", "embedding", "grok-p97", *STEPS, "--size", "320")
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(here / "grok-p97-embedding.mp4"))
    assert frames == len(chosen())
    assert seconds == pytest.approx(frames / 12, abs=0.1)


def test_a_page_holds_everything_that_it_shows(here: Path) -> None:
    export("html", "attention", "grok-p97", *STEPS, "--out", "a.html")
    text = (here / "a.html").read_text()
    assert text.count("iVBORw0KGgo") == len(chosen())
    assert "http" not in text
    assert "@" not in text.partition("const frames")[0]


def test_parameters_reach_other_tools(here: Path) -> None:
    from safetensors import safe_open

    export("safetensors", "grok-p97", "--step", "14000")
    snapshot = strobe.open().run("grok-p97").at(14000)
    with safe_open(here / "grok-p97-step-14000.safetensors", framework="numpy") as file:
        assert file.metadata()["step"] == "14000"
        assert set(file.keys()) == {name[7:] for name in snapshot.names if name.startswith("params/")}
        for name in file.keys():  # noqa: SIM118 (no mapping: it has no iterator)
            np.testing.assert_array_equal(file.get_tensor(name), snapshot[f"params/{name}"])


def test_every_dtype_survives(here: Path) -> None:
    import ml_dtypes
    from safetensors.numpy import load_file

    tensors = {
        name: np.arange(6).reshape(2, 3).astype(name) for name in ("float64", "float32", "float16", "int8", "int64")
    }
    write_safetensors(here / "t.safetensors", tensors | {"b": np.ones(3, ml_dtypes.bfloat16)}, {"a": "b"})
    found = load_file(here / "t.safetensors")
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert (here / "t.safetensors").stat().st_size % 2 == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gif", "magic", "grok-p97"], "there are attention, embedding, weights"),
        (["gif", "weights", "grok-p97", "--tensor", "nope"], "no params/nope; there are attprojw"),
        (["gif", "weights", "grok-p97", "--layer", "7"], "has 1 layers"),
        (["gif", "embedding", "grok-p97", "--tensor", "qkvw"], "cannot be drawn as embedding"),
        (["gif", "attention", "grok-p97", "--steps", "1"], "the run has 28"),
        (["safetensors", "grok-p97", "--step", "3"], "no snapshot at step 3"),
        (["gif", "attention", "nobody"], "no run 'nobody'"),
    ],
)
def test_what_cannot_be_made_is_said(words: list[str], message: str) -> None:
    with pytest.raises(StrobeError, match=message):
        CliRunner().invoke(app, ["export", *words], catch_exceptions=False)


def test_a_file_is_not_replaced_unasked(here: Path) -> None:
    (here / "grok-p97-weights.gif").write_text("mine")
    with pytest.raises(StrobeError, match="--force"):
        CliRunner().invoke(app, ["export", "gif", "weights", "grok-p97"], catch_exceptions=False)
    assert (here / "grok-p97-weights.gif").read_text() == "mine"


def test_an_interrupted_movie_draws_only_what_is_missing(here: Path) -> None:
    asked: list[int] = []

    def draw(step: int) -> Image.Image:
        if step == 3 and len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(step)
        return Image.new("RGB", (4, 4), (step, 0, 0))

    with pytest.raises(KeyboardInterrupt):
        drawn(range(5), draw, here / "kept")
    asked.append(-1)
    frames = drawn(range(5), draw, here / "kept")
    assert asked == [0, 1, 2, -1, 3, 4]
    assert [frame.getpixel((0, 0))[0] for frame in frames] == list(range(5))


def test_bins_are_means() -> None:
    values = np.arange(7 * 5, dtype=float).reshape(7, 5)
    small, bins = binned(values, 3)
    assert bins == (3, 2)
    assert small.shape == (3, 3)
    assert small[0, 0] == values[:3, :2].mean()
    assert small[2, 2] == values[6:, 4:].mean()
    assert binned(values, 7)[1] == (1, 1)


def test_colours_are_centred_on_zero() -> None:
    table = colour_table(DIVERGING)
    assert np.abs(table[127].astype(int) - table[128]).max() < 12
    assert (heatmap(np.array([[np.nan]]), DIVERGING) == 255).all()
