"""Embeddings as pages, figures and movies read them: a planted circle, which rows, and what is empty and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from etl.checkpoints.run import open_run
from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run.layout import place
from etl.run.writer import SnapshotWriter
from etl.store.catalogue import Store
from strobe.plot.figures import make
from strobe.plot.movies import Movie, MovieRequest
from strobe.plot.request import Request
from strobe.views import embedding as recorded
from strobe.views import embedding_axes
from strobe.views.embedding import Embedding, EmbeddingFrames, Rows, embedding, embeddings, frames, token_embedding
from strobe.views.embedding_axes import along, canvas_points, mapped, on_axes_of, token_points
from strobe.views.run_view import CatalogueTables, RunView
from tests.support import adding
from tests.support.planted import KEY, P, run_folder

STEPS = (0, 100, 200)


def view_of(folder: Path | None, steps: Sequence[int] = STEPS) -> RunView:
    """A run whose tables are not needed."""
    tables: Any = SimpleNamespace(
        key=("", ""), run=lambda run: SimpleNamespace(recording=lambda: open_run(folder or "nowhere"))
    )
    return RunView(tables, "a", tuple(steps))


def written(
    folder: Path, params: Mapping[str, Any], roles: Mapping[str, str] = {}, steps: Sequence[int] = STEPS,
    task: Mapping[str, Any] = {}, dims: Sequence[str] = ("token", "channel", "more"),
) -> RunView:  # fmt: skip
    """A run with these params: an array for all steps, or a function of the step."""
    arrays = {step: {f"params/{k}": np.asarray(v(step) if callable(v) else v, np.float32) for k, v in params.items()}
              for step in steps}  # fmt: skip
    tensors, size = place([
        {"name": name, "section": "params", "dims": list(dims[: array.ndim]), "dtype": "float32",
         "shape": list(array.shape)} | ({"role": roles[name[7:]]} if name[7:] in roles else {})
        for name, array in arrays[steps[0]].items()
    ])  # fmt: skip
    folder.mkdir()
    writer = SnapshotWriter(folder, {
        "format": "strobe-snapshot", "version": 1, "model": {"family": "other"}, "task": dict(task),
        "run": {"id": "a", "name": "a", "created_at": 1.0, "writer": "tests"},
        "snapshot": {"bytes": size, "tensors": tensors},
    })  # fmt: skip
    for step in steps:
        writer.write(step, arrays[step])
    return view_of(folder, steps)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_a_planted_circle_is_round_in_its_order_and_in_no_other(tmp_path: Path) -> None:
    view = view_of(run_folder(tmp_path / "planted"))
    read = frames(view, embedding(view, "wte"), STEPS)
    shown = along(read, str(KEY))
    assert shown.steps == list(STEPS)
    assert shown.circularity == pytest.approx([1, 1, 1])
    assert shown.explained == pytest.approx([1, 1, 1])
    assert np.linalg.norm(shown.points[0, :P, :2], axis=1) == pytest.approx([1] * P, abs=1e-6)
    assert np.isnan(shown.points[:, P]).all(), "= is no residue"
    other = along(read, str(KEY + 1))
    assert other.circularity[0] < 0.01 or np.isnan(other.circularity[0])


def test_colours_follow_the_frequency_in_which_residues_lie(tmp_path: Path) -> None:
    view = view_of(run_folder(tmp_path / "planted"))
    for shown in (token_points(view), along(frames(view, embedding(view, "wte"), STEPS), "last")):
        assert shown.turn == KEY
        assert shown.rows.places(shown.turn) == pytest.approx([*((KEY * k % P) / P for k in range(P)), -1])
        assert shown.words == (
            "Principal axes of the last snapshot, kept for all steps. "
            f"Colour: {KEY}·x mod {P}, in whose order residues x lie here."
        )
        assert shown.rows.labels == [*map(str, range(P)), "="]
    positions = along(frames(view, embedding(view, "wpe"), STEPS), "last")
    assert (positions.turn, positions.rows.labels, positions.rows.modulus) == (1, ["0", "1", "2"], None)
    assert positions.words.endswith("Colour: row number.")


def test_canvas_figure_and_movie_show_one_projection(tmp_path: Path) -> None:
    ingest([run_folder(tmp_path / "planted")], tmp_path / "store")
    store = Store(tmp_path / "store")
    view = RunView(CatalogueTables(store.current()), "planted", STEPS)
    shown = token_embedding(view)
    assert shown is not None
    exact = on_axes_of(shown, 200, 100)
    np.testing.assert_array_equal(token_points(view).points[1], exact.astype(np.float32))
    page = along(frames(view, embedding(view, "wte"), STEPS), "last")
    flat = page.points[:, :, :2]
    np.testing.assert_array_equal(flat[1], exact.astype(np.float32))
    np.testing.assert_array_equal(canvas_points(page.points), (flat / np.abs(flat).max()).astype(np.float16))
    figure: Any = make("embedding", Request(store, ["planted"], 100)).figure
    np.testing.assert_array_equal(figure.places, exact)
    movie = Movie(view, MovieRequest("embedding"))
    assert movie.reach == pytest.approx(1.05 * max(np.abs(on_axes_of(shown, 200, step)).max() for step in STEPS))


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1.0, 7e4, 1e30])
def test_points_of_any_size_are_drawn_and_kept(tmp_path: Path, size: float) -> None:
    shape = noise(40, 5)
    view = written(tmp_path / "a", {"wte": size * shape}, {"wte": "token_embedding"})
    for points in (token_points(view), along(frames(view, embedding(view, "wte"), STEPS), "last")):
        drawn = canvas_points(points.points).astype(float)
        assert np.isfinite(drawn).all()
        assert np.abs(drawn).max() == 1
        beside = canvas_points(points.points, 4 * np.abs(points.points[:, :, :2]).max()).astype(float)
        np.testing.assert_allclose(beside, drawn / 4, atol=1e-3)
        exact = on_axes_of(embedding(view, "wte"), 200, 0)
        np.testing.assert_allclose(points.points[0][:, :2], exact, rtol=1e-4, atol=1e-4 * size)
        np.testing.assert_allclose(drawn[0] * np.abs(exact).max(), exact, atol=1e-3 * np.abs(exact).max())


def test_of_many_rows_the_first_or_even_ones_are_shown_and_told(tmp_path: Path) -> None:
    view = written(tmp_path / "a", {"wte": noise(2600, 3)}, steps=(0,))
    whole = np.asarray(noise(2600, 3), np.float32)
    first, even = embedding(view, "wte", "first"), embedding(view, "wte", "even")
    np.testing.assert_array_equal(first.at(0), whole[:2048])
    assert (first.rows.total, first.rows.left_out) == (2600, "The first 2,048 tokens.")
    numbers = list(even.rows.numbers)
    assert (len(numbers), numbers[0], numbers[-1]) == (2048, 0, 2599)
    assert {1, 2} == set(np.diff(numbers).tolist())
    np.testing.assert_array_equal(even.at(0), whole[numbers])
    assert even.rows.left_out == "2,048 of 2,600 rows, evenly spaced."
    assert Rows(range(2048), 2048).left_out == ""


def test_a_circle_needs_every_residue() -> None:
    assert Rows(range(6), 6, modulus=5).has_residues
    assert not Rows(range(4), 6, modulus=5).has_residues
    assert not Rows([0, 2, 3, 4, 5], 6, modulus=5).has_residues
    assert not Rows(range(6), 6).has_residues


def test_embeddings_are_found_by_what_they_are(tmp_path: Path) -> None:
    params = {"head": noise(4, 3), "tok_emb": noise(4, 3), "wte": noise(2, 4, 3), "body": noise(3, 3)}
    view = written(tmp_path / "a", params, {"tok_emb": "token_embedding", "head": "unembedding"})
    assert [(each.name, each.title) for each in embeddings(view)] == [
        ("tok_emb", "Tokens (tok_emb)"), ("head", "Unembedding (head)")
    ]  # fmt: skip
    assert token_points(view).steps == list(STEPS)
    usual = written(tmp_path / "b", {"unembed": noise(4, 3), "wpe": noise(2, 3), "wte": noise(4, 3)})
    assert [each.title for each in embeddings(usual)] == ["Tokens (wte)", "Positions (wpe)", "Unembedding"]
    assert embedding(view, "body").rows.labels == ["0", "1", "2"]
    with pytest.raises(StrobeError, match="no embedding params/wte"):
        embedding(view, "wte")


def test_where_no_role_is_said_the_axes_tell(tmp_path: Path) -> None:
    axes = ("batch", "token", "channel")
    view = written(tmp_path / "a", {"anything": noise(1, 4, 3), "fcw": noise(4, 3)}, dims=axes)
    assert [each.title for each in embeddings(view)] == ["Tokens (anything)"]
    shown = token_embedding(view)
    assert shown is not None
    np.testing.assert_allclose(shown.at(0), noise(1, 4, 3)[0], rtol=1e-6)
    assert token_points(view).steps == list(STEPS)


def test_what_is_empty_says_why(tmp_path: Path) -> None:
    none = view_of(tmp_path, ())
    assert (embeddings(none), token_points(none).reason) == (
        [], "This run has no snapshots, so there is no token embedding to show."
    )  # fmt: skip
    gone = view_of(None)
    assert token_points(gone).reason.startswith("The snapshots of this run are not where they were")
    other = written(tmp_path / "a", {"fcw": noise(4, 3)})
    assert token_points(other).reason == (
        "This run has no token embedding to show: not the one tensor of the section “params” is one (one has the "
        "role token_embedding, or the axes token and channel)."
    )
    narrow = written(tmp_path / "b", {"wte": noise(4, 1)})
    assert token_points(narrow).reason.startswith("No embedding of this run can be projected")
    assert along(frames(narrow, embedding(narrow, "wte"), STEPS), "last").reason.startswith(
        "No snapshot of this embedding"
    )


def test_a_snapshot_that_cannot_be_read_costs_its_own_frame(tmp_path: Path) -> None:
    view = view_of(run_folder(tmp_path / "planted"))
    (tmp_path / "planted" / "step_000200.bin").write_bytes(b"damaged")
    shown = token_points(view)
    assert shown.steps == [0, 100]
    kept = token_embedding(view)
    assert kept is not None
    np.testing.assert_array_equal(shown.points[0], on_axes_of(kept, 100, 0).astype(np.float32))
    assert frames(view, embedding(view, "wte"), STEPS).steps == [0, 100]


def test_frames_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    view = written(tmp_path / "a", {"wte": lambda step: noise(5, 3) if step else np.full((5, 3), np.inf)})
    read = frames(view, embedding(view, "wte"), STEPS)
    assert (read.steps, read.values.shape, read.values.dtype) == ([100, 200], (2, 5, 3), np.float32)


def test_only_as_many_snapshots_are_read_as_can_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    run: Any = None
    shown, steps = Embedding("wte", None, Rows(range(10), 10), 25, run), list(range(0, 1000, 10))
    assert shown.affordable(steps, 8) == steps
    assert shown.affordable(steps, 8, 3) == [0, 500, 990]
    monkeypatch.setattr(recorded, "MOST_READ", 4 * 10 * 25 * 100)
    assert shown.affordable(steps, 8) == steps
    monkeypatch.setattr(recorded, "MOST_READ", 4 * 10 * 25 * 100 - 1)
    assert len(shown.affordable(steps, 8)) == 99
    monkeypatch.setattr(recorded, "MOST_BYTES", 8 * 10 * 7)
    assert len(shown.affordable(steps, 8)) == 7
    assert len(shown.affordable(steps, 4)) == 14
    monkeypatch.setattr(recorded, "MOST_BYTES", 1)
    assert shown.affordable(steps, 8) == [0, 990]


def test_noise_is_no_rounder_than_the_best_circle_of_noise() -> None:
    rows = Rows(range(38), 38, [], 37)
    frames = EmbeddingFrames(rows, [0, 10], noise(2, 38, 16))
    scores = [along(frames, str(k)) for k in range(1, 19)]
    best = np.max([each.circularity for each in scores], axis=0)
    mean, bound = scores[0].chance.T
    assert best == pytest.approx(mean, abs=0.15)
    assert (best <= bound).all()
    assert all((each.chance == scores[0].chance).all() for each in scores), (
        "one bound for all circles that were tried"
    )
    words = embedding_axes.roundness_words(scores[0])
    assert "the same rows in shuffled order, each time in the best of all 18 circles, 200 times. At step 10" in words
    assert words.endswith(f"at most {bound[1]:.2f}: no rounder than noise may be.")


@pytest.mark.parametrize("axes", ["last", "joint"])
def test_a_round_cloud_is_told_from_a_circle(axes: str) -> None:
    angle = 2 * np.pi * np.arange(37) / 37
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1) + 0.05 * noise(37, 3)
    cloud = noise(37, 3, seed=1) * [1, 1, 0.1]
    for frame, verdict in ((ring, "rounder than noise."), (cloud, "no rounder than noise may be.")):
        shown = along(EmbeddingFrames(Rows(range(37), 37, [], None), [4], frame[None]), axes)
        words = embedding_axes.roundness_words(shown)
        assert words.endswith(verdict)
        assert f"At step 4: {shown.circularity[0]:.2f}; noise {shown.chance[0, 0]:.2f} on average" in words


def test_of_many_steps_noise_is_simulated_at_some_with_both_ends() -> None:
    frames = EmbeddingFrames(Rows(range(12), 12, [], 11), list(range(60)), noise(60, 12, 4))
    shown = along(frames, "2")
    known = np.isfinite(shown.chance[:, 1])
    assert (known.sum(), known[0], known[-1]) == (16, True, True)
    rows = embedding_axes.roundness(shown).table.to_pylist()
    assert [row["step"] for row in rows if row["series"] == "noise_bound"] == np.flatnonzero(known).tolist()
    assert " 200 times. Noise is drawn at 16 of 60 snapshots. At step 59: " in embedding_axes.roundness_words(shown)


def test_points_that_lie_on_a_line_are_not_compared() -> None:
    line = np.outer(np.arange(8.0), [1, 2, 3])[None]
    words = embedding_axes.roundness_words(along(EmbeddingFrames(Rows(range(8), 8), [0], line), "last"))
    assert words.endswith("It cannot be told: so few points, or points on a line, cannot be rounder than noise.")


def test_of_three_points_it_cannot_be_told() -> None:
    shown = along(EmbeddingFrames(Rows(range(3), 3), [0], noise(1, 3, 4)), "last")
    assert np.isfinite(shown.circularity).all()
    assert "It cannot be told" in embedding_axes.roundness_words(shown)


def test_a_map_of_neighbours_explains_nothing_and_is_compared_with_a_filled_ellipse() -> None:
    angles = 2 * np.pi * np.arange(8) / 8
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shown = mapped(EmbeddingFrames(Rows(range(8), 8), [0], noise(1, 8, 3)), "tsne", circle[None])
    assert (shown.points.shape, shown.circularity[0]) == ((1, 8, 3), pytest.approx(1))
    assert embedding_axes.roundness(shown).table.to_pylist() == [
        {"step": 0, "series": "circularity", "value": pytest.approx(1)},
        {"step": 0, "series": "noise_mean", "value": pytest.approx(shown.chance[0, 0])},
        {"step": 0, "series": "noise_bound", "value": pytest.approx(shown.chance[0, 1])},
        {"step": 0, "series": "explained", "value": None},
    ]
    words = embedding_axes.roundness_words(shown)
    assert (
        "as many points evenly over an ellipse, as stretched as these, 400 times. A map of noise was not made"
        in words
    )
    assert words.endswith("rounder than noise.")


def test_an_embedding_with_its_channels_first_is_shown_by_tokens(tmp_path: Path) -> None:
    params = adding.weights()
    turned = {name: np.ascontiguousarray(params[name].T) for name in ("wte", "wpe", "unembed")}
    dims = {"wte": ["channel", "token"], "wpe": ["channel", "position"], "unembed": ["in", "out"]}
    view = view_of(adding.record(tmp_path / "run", params | turned, dims=dims), (40,))
    for shown in embeddings(view):
        assert (shown.rows.total, shown.width) == params[shown.name].shape
        np.testing.assert_array_equal(shown.at(40), params[shown.name])
    assert [shown.name for shown in embeddings(view)] == ["wte", "wpe", "unembed"]
