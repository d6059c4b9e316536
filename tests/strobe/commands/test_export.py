"""Movies and parameters of the embedded run: real files that other programs read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import strobe
from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run.snapshot_errors import PayloadError
from strobe.charts.axes import label_number
from strobe.charts.colours import colour_table, heatmap, named_tokens, rgb, token_colours, token_range
from strobe.charts.movie import KeptFrame, drawn
from strobe.charts.movie_frames import HEAD, FrameDrawing, Words, attention_frame, plain
from strobe.charts.theme import CYCLIC, DIVERGING, LIGHT, SEQUENTIAL
from strobe.cli import app
from strobe.commands.safetensors_file import write_safetensors
from strobe.commands.target import alone
from strobe.plot.movies import Movie, MovieRequest
from strobe.views.attention import rooted
from strobe.views.binning import binned
from strobe.views.run_view import CatalogueTables, RunView
from tests.support.damages import flip, rot
from tests.support.make_run import make_run

STEPS = ["--steps", "0-2000"]

pytestmark = pytest.mark.usefixtures("here")


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


@pytest.mark.parametrize("subject", ["attention", "embedding", "weights"])
def test_a_movie_leaves_damaged_snapshots_out_and_says_so(tmp_path: Path, subject: str) -> None:
    run = make_run(tmp_path / "alpha", steps=(0, 10, 20, 30))
    flip(run / "step_000010.bin")
    ingest([run], tmp_path / "store")
    flip(run / "step_000030.bin")
    out = tmp_path / "movie.gif"
    words = ["gif", subject, "alpha", "--store", str(tmp_path / "store"), "--out", str(out)]
    result = CliRunner().invoke(app, ["export", *words], catch_exceptions=False)
    assert result.exit_code == 0
    first, second = (line for line in result.stderr.splitlines() if line.startswith("strobe: left out"))
    assert "step_000010.bin: payload crc is" in first
    assert "step_000030.bin: payload crc is" in second
    with Image.open(out) as movie:
        assert movie.n_frames == 2
        assert movie.info["comment"].endswith(b", without 2 damaged snapshots (step 10, 30)")


def test_the_parameters_of_a_damaged_snapshot_are_not_exported(tmp_path: Path) -> None:
    run = make_run(tmp_path / "alpha", steps=(0, 10))
    ingest([run], tmp_path / "store")
    flip(run / "step_000010.bin")
    words = ["safetensors", "alpha", "--step", "10", "--store", str(tmp_path / "store"), "--out", str(tmp_path / "a")]
    result = CliRunner().invoke(app, ["export", *words])
    assert isinstance(result.exception, PayloadError)
    assert not (tmp_path / "a").exists()


def test_parameters_that_rotted_after_the_ingest_are_not_exported(tmp_path: Path) -> None:
    run, store = make_run(tmp_path / "alpha", steps=(0, 10)), ["--store", str(tmp_path / "store")]
    ingest([run], tmp_path / "store")
    rot(run / "step_000010.bin")
    result = CliRunner().invoke(
        app, ["export", "safetensors", "alpha", "--step", "10", "--out", str(tmp_path / "a"), *store]
    )
    assert isinstance(result.exception, PayloadError)
    assert not (tmp_path / "a").exists()
    checked = CliRunner().invoke(app, ["verify", "alpha", *store])
    assert checked.exit_code == 1
    assert "step_000010.bin" in checked.output


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
        (["gif", "weights", "grok-p97", "--tensor", "wte", "--layer", "3"], "wte has no layers"),
        (["gif", "embedding", "grok-p97", "--tensor", "qkvw"], "cannot be drawn as embedding"),
        (["gif", "attention", "grok-p97", "--metric", "nope"], "has no metric 'nope'"),
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


def refusal(*words: str) -> str:
    with pytest.raises(StrobeError) as refused:
        CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert "\n" not in str(refused.value)
    return str(refused.value)


TO_A_FILE = [
    ("export", "gif", "weights", "grok-p97"), ("export", "safetensors", "grok-p97", "--step", "0"),
    ("export", "csv", "grok-p97"),
]  # fmt: skip


@pytest.mark.parametrize("words", TO_A_FILE)
def test_only_regular_files_are_replaced(here: Path, words: tuple[str, ...]) -> None:
    os.mkfifo(here / "pipe")
    assert "not a regular file" in refusal(*words, "--out", "pipe", "--force")
    assert (here / "pipe").is_fifo()
    assert "not a regular file" in refusal(*words, "--out", str(here), "--force")
    assert [path.name for path in here.iterdir()] == ["pipe"]


@pytest.mark.parametrize("words", TO_A_FILE)
def test_a_place_that_cannot_be_written_is_one_line(here: Path, words: tuple[str, ...]) -> None:
    (here / "file").write_text("mine")
    assert "cannot be written" in refusal(*words, "--out", "file/x")
    assert "cannot be written" in refusal(*words, "--out", "/proc/strobe-export")
    assert (here / "file").read_text() == "mine"


def test_a_second_export_of_the_same_file_is_told_so(here: Path) -> None:
    words = ["export", "gif", "weights", "grok-p97", *STEPS, "--out", "two.gif"]
    with alone(here / "two.gif"):
        assert "another export of two.gif is under way" in refusal(*words)
        export(*words[1:-1], "other.gif")
    assert [path.name for path in here.iterdir()] == ["other.gif"]
    export(*words[1:])
    assert sorted(path.name for path in here.iterdir()) == ["other.gif", "two.gif"]


def test_an_interrupted_movie_draws_only_what_is_missing(here: Path) -> None:
    asked: list[int] = []

    def draw(step: int) -> Image.Image:
        if step == 3 and len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(step)
        return Image.new("RGB", (4, 4), (step, 0, 0))

    with pytest.raises(KeyboardInterrupt):
        list(drawn(range(5), draw, here / "kept"))
    asked.append(-1)
    frames = list(drawn(range(5), draw, here / "kept"))
    assert asked == [0, 1, 2, -1, 3, 4]
    assert [frame.image.getpixel((0, 0))[0] for frame in frames] == list(range(5))
    assert [frame.image.size for frame in frames] == [(4, 4)] * 5


def test_a_broken_movie_leaves_its_frames_and_no_half_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, frames: Iterable[KeptFrame], fps: float, title: str) -> int:
        path.write_text("half")
        next(iter(frames))
        raise KeyboardInterrupt

    monkeypatch.setattr("strobe.charts.movie.write_gif", interrupted)
    result = CliRunner().invoke(app, ["export", "gif", "embedding", "grok-p97", *STEPS])
    assert result.exit_code != 0
    (kept,) = here.iterdir()
    assert kept.name.endswith(".frames")
    assert len(list(kept.iterdir())) == 1


def movie_of(subject: str, **wanted: Any) -> Movie:
    view = RunView(CatalogueTables(strobe.open().current()), "grok-p97")
    return Movie(view, MovieRequest(subject, **wanted))


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image.convert("RGB"))


def test_frames_say_the_metric_with_its_unit_and_the_size_of_a_bin(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    text = FrameDrawing.text

    def heard(self: FrameDrawing, x: float, y: float, words: str, *look: Any) -> float:
        said.append(words)
        return text(self, x, y, words, *look)

    monkeypatch.setattr(FrameDrawing, "text", heard)
    movie_of("weights", metric="step_time_ms").draw(14000)
    assert any("step 14,000" in words and words.endswith(" ms") for words in said)
    assert "fcw.0, 512 × 128. Each cell is the mean of 3 × 1 weights." in said
    reach = movie_of("weights").reach
    assert {"weight", "−" + label_number(reach, 2), "0", label_number(reach, 2)} <= set(said)
    said.clear()
    movie_of("attention").draw(14000)
    assert {"weight", "0", "1", "head 3", "att: mean over 16 probe sequences, queries down, keys across"} <= set(said)


def test_the_scale_of_colours_is_on_the_frame() -> None:
    frame = pixels(movie_of("attention").draw(14000))[: round(HEAD)]
    shades = {tuple(colour) for colour in colour_table(SEQUENTIAL).tolist()}
    assert len({tuple(pixel) for pixel in frame.reshape(-1, 3).tolist()} & shades) > 80
    assert (frame[0, 0] == 255).all()


def test_words_keep_to_the_letters_of_the_font() -> None:
    assert plain("val_loss 2.31×10⁻⁵ nats, 3 × 1, −0.16, 10⁴") == "val_loss 2.31e-5 nats, 3 x 1, -0.16, 1e4"


def test_equals_is_no_residue() -> None:
    colours = token_colours(["0", "1", "2", "="])
    assert tuple(colours[3].tolist()) == rgb(LIGHT.muted)
    assert not any((colours[k] == colours[3]).all() for k in range(3))
    # p - 1 stands before 0 again: a third of the way round each.
    np.testing.assert_array_equal(colours[:3], colour_table(CYCLIC)[[0, 85, 170]])
    np.testing.assert_array_equal(token_colours(["a", "b"]), colour_table(CYCLIC)[[0, 128]])


def test_the_digits_of_an_alphabet_are_no_residues() -> None:
    text, residues = [*"0123456789", *"abcdefghijklmnopqrstuvwxyz"], [*map(str, range(97)), "="]
    assert len(np.unique(token_colours(text), axis=0)) == 36
    assert named_tokens(text) == [0, 10, 20, 30]
    assert named_tokens(residues) == [*range(0, 98, 10), 97]
    assert (token_range(text), token_range(residues)) == (("0", "z"), ("0", "96"))
    assert (token_range([]), len(token_colours([]))) == (("", ""), 0)


def test_fixed_places_all_through_a_movie() -> None:
    movie = movie_of("embedding")
    first, last = (pixels(movie.draw(step)) for step in (movie.steps[0], movie.steps[-1]))
    axis = HEAD + 240
    assert (first[axis, 20:60] == last[axis, 20:60]).all()
    assert first.shape == last.shape


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


def test_what_is_masked_is_white_and_nothing_else() -> None:
    def white(att: np.ndarray) -> int:
        frame = np.asarray(attention_frame(att, Words("r"), 480).convert("RGB"))[HEAD:]
        return int((frame == 255).all(axis=-1).sum())

    both_ways = np.full((1, 1, 4, 4), 0.5)
    masked = np.where(np.tri(4, dtype=bool), both_ways, np.nan)
    # Six of sixteen cells lie above the diagonal.
    cells = 480 * 480 - white(both_ways)
    assert 0.8 * 6 / 16 < (white(masked) - white(both_ways)) / cells < 1.2 * 6 / 16


def test_positions_are_named_beside_the_cells_of_attention_where_they_fit() -> None:
    def ink(length: int, *positions: str) -> tuple[int, int]:
        """Height, and pixels that are not the ground left of the heads."""
        att = np.tril(np.full((1, 2, length, length), 0.5))
        frame = np.asarray(attention_frame(att, Words("r"), 480, positions, root=rooted(length)).convert("RGB"))
        return len(frame), int((frame[100:, :12] < 200).any(axis=-1).sum())

    bare, named = ink(3), ink(3, "a", "b", "=")
    assert bare[1] == 0
    assert named[0] == bare[0] + 12
    assert 20 < named[1] < 300
    assert ink(3, "a", "a name that has no room", "=")[1] < named[1]
    assert ink(9, *"abcdefghi") == ink(9)
