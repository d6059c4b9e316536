"""What is shown of attention, on runs whose weights are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run.snapshot_errors import PayloadError
from strobe.record import Recorder
from strobe.settings import open_store
from strobe.views import attention, attention_frames, budget, head_scores
from strobe.views.attention import MEAN, Shape
from strobe.views.run_view import CatalogueTables, RunView, snapshot_steps
from tests.support.adding import record, weights
from tests.support.make_run import make_run

STEPS = (0, 100, 200)


def view_of(folder: Path, **run: object) -> RunView:
    """A run of 2 layers, 4 probe sequences, 4 heads and 3 positions, in a store."""
    made = make_run(folder / "runs" / "two", steps=STEPS, **run)  # type: ignore[arg-type]
    ingest([made], folder / "store")
    tables = CatalogueTables(open_store(folder / "store").current())
    return RunView(tables, "two", snapshot_steps(tables, "two"))


def recorded_at(view: RunView, step: int) -> np.ndarray:
    run = view.snapshots()
    assert run is not None
    return np.array(run.at(step)["attention/att"])


def test_weights_are_those_that_were_recorded(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    stored = recorded_at(view, 100)
    mean, one = attention.weights_at(view, 100), attention.weights_at(view, 199, "2")
    assert mean.values.dtype == one.values.dtype == np.float32
    assert (mean.values == stored.mean(axis=1)).all()
    assert (one.values == stored[:, 2]).all()
    assert (mean.probes, mean.recorded, mean.remark) == (4, 4, "")
    assert mean.masked.tolist() == [[False, True, True], [False, False, True], [False, False, False]]
    assert np.isnan(mean.seen).sum() == 2 * 4 * 3


def test_a_probe_sequence_is_labelled_by_its_tokens(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    assert attention.weights_at(view, 0).labels == ["a", "b", "="]
    # Tokens of probe k are 3k, 3k + 1, 3k + 2 mod 7.
    assert attention.weights_at(view, 0, "1").labels == ["3", "4", "5"]


def test_the_choices_are_the_mean_and_every_probe_sequence(tmp_path: Path) -> None:
    assert attention.shape(view_of(tmp_path)) == Shape(2, 4, 4, 3, 3)
    assert attention.probe_choices(Shape(2, 4, 4, 3, 3)) == [MEAN, "0", "1", "2", "3"]
    assert attention.probe_choices(None) == []


@pytest.mark.parametrize("length", [3, 9])
def test_shades_stand_for_the_weights_to_one_part_in_254(length: int) -> None:
    masked = attention.masked_keys(length, length)
    weights = np.random.default_rng(0).random((2, 1, length, length)).astype(np.float32)
    shades = attention_frames.shades_of(weights, masked)
    assert shades.dtype == np.uint8
    assert ((shades == 0) == masked).all()
    back = ((shades.astype(float) - 1) / 254) ** (1 if length == 3 else 2)
    # Half a shade, of the square root beyond 8 positions: d(x^2) = 2x dx.
    assert np.abs(back - weights)[..., ~masked].max() <= (0.5 if length == 3 else 1.0) / 254 + 1e-6


def test_shades_begin_at_one_and_what_is_no_weight_is_none() -> None:
    masked = attention.masked_keys(2, 2)
    values = np.array([[[[1.0, 0.0], [0.0, 1.0]], [[np.nan, 0.5], [2.0, -1.0]]]])
    assert attention_frames.shades_of(values, masked).tolist() == [[[[255, 0], [1, 255]], [[0, 0], [255, 1]]]]


@pytest.mark.parametrize(("keys", "root"), [(1, False), (8, False), (9, True)])
def test_beyond_eight_positions_colours_are_square_roots(keys: int, root: bool) -> None:
    masked = np.zeros((1, keys), bool)
    assert attention.rooted(keys) == root
    quarter = np.full((1, 1, 1, keys), 0.25)
    assert (attention_frames.shades_of(quarter, masked) == (128 if root else 65)).all()


def test_frames_are_the_shades_of_each_snapshot(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    frames = attention_frames.frames(view, view.steps, False)
    assert (frames.steps, frames.span, frames.reason, frames.remark) == ([0, 100, 200], (0, 200), "", "")
    for step, shades in zip(frames.steps, frames.shades, strict=True):
        weights = attention.weights_at(view, step)
        assert (shades == attention_frames.shades_of(weights.values, weights.masked)).all()
    assert (frames.heads(1, 2).shades == frames.shades[:, 1:2, 2:3]).all()
    assert (frames.masked == attention.masked_keys(3, 3)).all()
    assert frames.heads(0).shades.shape == (3, 1, 4, 3, 3)


def test_a_snapshot_of_other_bytes_than_were_recorded_is_not_drawn(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    path = tmp_path / "runs" / "two" / "step_000100.bin"
    data = bytearray(path.read_bytes())
    data[-1000] ^= 4
    path.write_bytes(data)
    assert attention_frames.frames(view, view.steps, False).steps == [0, 200]
    with pytest.raises(PayloadError):
        attention.weights_at(view, 100)


def test_a_damaged_snapshot_costs_its_own_frame(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    (tmp_path / "runs" / "two" / "step_000000.bin").write_bytes(b"damaged")
    frames = attention_frames.frames(view, view.steps, False)
    assert (frames.steps, frames.span) == ([100, 200], (0, 200))
    for path in (tmp_path / "runs" / "two").glob("step_*.bin"):
        path.write_bytes(b"damaged")
    for windowed, words in ((True, "No snapshot around this step"), (False, "No snapshot of this run")):
        frames = attention_frames.frames(view, view.steps, windowed)
        assert (frames.steps, frames.windowed) == ([], windowed)
        assert frames.reason.startswith(words)


def test_a_run_whose_snapshots_are_elsewhere_says_so(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    for path in (tmp_path / "runs" / "two").iterdir():
        path.unlink()
    (tmp_path / "runs" / "two").rmdir()
    assert attention.shape(view) is None
    assert "not on this machine" in attention_frames.frames(view, view.steps, False).reason
    with pytest.raises(StrobeError, match="not on this machine"):
        attention.weights_at(view, 0)


def test_what_would_be_too_much_to_read_is_sampled_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = view_of(tmp_path)
    # 2 * 4 * 3 * 3 weights a probe sequence: room for two of four sequences, and for two snapshots.
    monkeypatch.setattr(attention, "MOST_READ", 4 * 2 * (2 * 4 * 9) * 2)
    own = attention.shape(view)
    assert own is not None
    assert own.probes_read == 2
    frames = attention_frames.frames(view, [100], True)
    assert frames.remark == "Mean of the first 2 of 4 probe sequences. "
    masked = attention.masked_keys(3, 3)
    assert (frames.shades[0] == attention_frames.shades_of(recorded_at(view, 100)[:, :2].mean(axis=1), masked)).all()
    assert attention_frames.frames(view, [100], True, "3").remark == ""


def test_at_the_edge_of_the_budget_a_panel_holds_all_and_beyond_it_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, own, each = view_of(tmp_path), Shape(2, 4, 4, 3, 3), 2 * 4 * 9
    monkeypatch.setattr(budget, "MOST_MOVED", each)
    monkeypatch.setattr(budget, "MOST_BYTES", 3 * each)
    assert attention_frames.window(view, 200, own) == ([0, 100, 200], True)
    monkeypatch.setattr(budget, "MOST_BYTES", 3 * each - 1)
    assert attention_frames.window(view, 100, own) == ([100], False)
    assert attention_frames.window(view, 100, None) == ([0, 100, 200], True)


def test_what_leaves_a_panel_is_what_was_recorded_whether_it_holds_it_or_reads_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = view_of(tmp_path)
    held = attention_frames.frames(view, view.steps, False)
    monkeypatch.setattr(attention_frames, "MOST_EXACT", 3 * 2 * 4 * 9 - 1)
    shades = attention_frames.frames(view, view.steps, False)
    assert (held.weights is None, shades.weights is None) == (False, True)
    mean, one = recorded_at(view, 100).mean(axis=1), recorded_at(view, 100)[:, 3]
    for frames in (held, shades):
        assert (frames.recorded(view, 1) == mean).all()
        assert (frames.heads(1, 2).recorded(view, 1) == mean[1:2, 2:3]).all()
    assert (attention_frames.frames(view, view.steps, False, "3").heads(0).recorded(view, 1) == one[:1]).all()


@pytest.mark.parametrize(
    ("causal", "above", "masked"),
    [(None, 0.0, True), (None, 0.25, False), (None, np.nan, False), (True, 0.25, True), (False, 0.0, False)],
)
def test_later_keys_are_masked_where_they_are_said_or_seen_to_be(
    causal: bool | None, above: float, masked: bool
) -> None:
    spec = {} if causal is None else {"causal": causal}
    values = np.tril(np.ones((1, 1, 3, 3)))
    values[..., 0, 2] = above
    assert attention._masked(spec, values).any() == masked


def test_data_names_every_weight_that_is_not_masked() -> None:
    weights = np.array([[[[1.0, 9.0], [0.25, 0.75]]]])
    assert attention.weights_table(weights, attention.masked_keys(2, 2), ["a", "b"]).to_pylist() == [
        {"layer": 0, "head": 0, "query": q, "key": k, "query_token": "ab"[q], "key_token": "ab"[k], "weight": weight}
        for q, k, weight in ((0, 0, 1.0), (1, 0, 0.25), (1, 1, 0.75))
    ]


def test_scores_are_computed_from_the_first_sequences_and_some_snapshots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, own = view_of(tmp_path), Shape(2, 4, 4, 3, 3)
    assert head_scores.stored(view, "entropy").table.num_rows == 0
    whole = head_scores.computed(view, own)
    assert (whole.snapshots, whole.probes, whole.recorded, whole.bytes_read) == (3, 4, 4, 3 * 4 * 4 * 72)
    answer = whole.of("diagonal")
    assert answer.table.column_names == ["series", "step", "value", "layer", "head"]
    assert answer.table.num_rows == 3 * 2 * 4
    own_weight = np.diagonal(recorded_at(view, 0)[0, :, 0], axis1=1, axis2=2)[:, 1:].mean()
    assert answer.table["value"][0].as_py() == pytest.approx(float(own_weight))
    monkeypatch.setattr(head_scores, "MOST_EACH", 4 * 72 * 3)
    monkeypatch.setattr(attention, "MOST_READ", 1)
    some = head_scores.computed(view, own)
    assert (some.snapshots, some.probes) == (2, 3)
    assert set(some.table["step"].to_pylist()) == {0, 200}


def test_a_run_that_recorded_no_attention_says_so(tmp_path: Path) -> None:
    view = view_of(tmp_path)
    manifest = tmp_path / "runs" / "two" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("attention", "residual"))
    assert attention.shape(view) is None
    assert "no attention to show" in attention_frames.frames(view, view.steps, False).reason


@pytest.fixture
def crossed(tmp_path: Path) -> tuple[RunView, np.ndarray]:
    """A run whose 2 queries look at 3 keys that are other positions; and its attention at each step."""
    att = np.arange(1 * 2 * 2 * 2 * 3, dtype=np.float32).reshape(1, 2, 2, 2, 3)
    att /= att.sum(axis=-1, keepdims=True)
    axes = {"attention/att": ["layer", "probe", "head", "query", "key"]}
    more = {"attention/att": att, "probe/tokens": np.array([[4, 2], [1, 0]], np.int32)}
    made = record(tmp_path / "runs" / "crossed", weights(), more=more, axes=axes, steps=(0, 5))
    ingest([made], tmp_path / "store")
    tables = CatalogueTables(open_store(tmp_path / "store").current())
    return RunView(tables, "adding", snapshot_steps(tables, "adding")), att


def test_queries_of_another_number_than_keys_are_masked_nowhere(
    crossed: tuple[RunView, np.ndarray],
) -> None:
    view, att = crossed
    made = attention_frames.frames(view, view.steps, False)
    assert made.shades.shape == (2, 1, 2, 2, 3)
    assert not made.masked.any()
    np.testing.assert_allclose(made.recorded(view, 1), att.mean(axis=1), rtol=1e-6)
    assert (made.queries, made.labels) == (["0", "1"], ["0", "1", "2"])
    one = attention.weights_at(view, 5, "0")
    assert (one.queries, one.labels) == (["4", "2"], ["0", "1", "2"])
    table = attention.weights_table(one.values, one.masked, one.labels, one.queries)
    assert table.num_rows == 2 * 2 * 3
    assert table.slice(5, 1).to_pylist()[0] == {
        "layer": 0, "head": 0, "query": 1, "key": 2, "query_token": "2", "key_token": "2",
        "weight": pytest.approx(float(att[0, 0, 0, 1, 2])),
    }  # fmt: skip


def test_attention_of_single_modules_is_drawn_as_one_layer(tmp_path: Path) -> None:
    self_attention = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3, 4)).astype(np.float32)
    cross = np.random.default_rng(1).dirichlet(np.ones(5), size=(2, 3, 4)).astype(np.float32)
    axes = ("probe", "head", "query", "key")
    tensors = [(f"decoder.{k}.{kind}", "attention", axes, own) for k in (10, 2) for kind, own in
               (("cross", cross), ("self", np.tril(self_attention)))]  # fmt: skip
    with Recorder(tmp_path / "run", tensors, scalars=()) as recorder:
        recorder.snapshot(0)
    ingest([tmp_path / "run"], tmp_path / "store")
    tables = CatalogueTables(open_store(tmp_path / "store").current())
    view = RunView(tables, "run", (0,))
    names = attention.tensors(view)
    assert names == [f"attention/decoder.{k}.{kind}" for k in (2, 10) for kind in ("cross", "self")]
    assert attention.shape(view) == Shape(1, 2, 3, 4, 5)
    made = attention_frames.frames(view, [0], False, tensor=names[2])
    np.testing.assert_allclose(made.recorded(view, 0), cross.mean(axis=0)[None], rtol=1e-6)
    assert (made.queries, made.labels, made.masked.any()) == (list("0123"), list("01234"), np.False_)
    back = attention_frames.frames(view, [0], False, "1", names[3])
    np.testing.assert_array_equal(back.recorded(view, 0), np.tril(self_attention)[1:2])
    assert back.masked.tolist() == attention.masked_keys(4, 4).tolist(), "what every head leaves out is masked"


def test_such_attention_has_no_scores_and_that_is_said(crossed: tuple[RunView, np.ndarray]) -> None:
    assert "2 queries on 3 keys are not the same positions" in head_scores.why_none(crossed[0])
