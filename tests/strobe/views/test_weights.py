"""What is shown of weight matrices, against matrices made by hand: no page, no browser."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.run.layout import place
from etl.run.writer import SnapshotWriter
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from strobe.views import activations, bands, histograms, matrices, spectrum, weights, weights_table
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import CatalogueTables, RunView, snapshot_steps
from tests.support.make_run import make_run
from tests.support.planted import planted, run_folder

FCW = WeightMatrix("fcw", 0, (6, 8))
SMALL = WeightMatrix("w", None, (4, 5))


def view_of(store: Path, run: str = "planted") -> RunView:
    tables = CatalogueTables(Store(store).current(), str(store))
    return RunView(tables, run, snapshot_steps(tables, run))


def recorded(folder: Path, steps: dict[int, np.ndarray], **entry: Any) -> RunView:
    """A run with one params tensor, `w` (row, column) unless `entry` says otherwise, ingested."""
    first = next(iter(steps.values()))
    spec = {"name": "params/w", "section": "params", "dims": ["out", "in"], "shape": list(first.shape)} | entry
    tensors, size = place([spec | {"dtype": first.dtype.name}])
    (folder / "one").mkdir()
    writer = SnapshotWriter(folder / "one", {
        "format": "strobe-snapshot", "version": 1, "model": {"family": "other"}, "training": {}, "task": {},
        "run": {"id": "one", "name": "one", "created_at": 1.0, "writer": "test"},
        "snapshot": {"bytes": size, "tensors": tensors},
    })  # fmt: skip
    for step, values in steps.items():
        writer.write(step, {str(spec["name"]): values})
    ingest([folder / "one"], folder / "store")
    return view_of(folder / "store", "one")


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    folder = tmp_path_factory.mktemp("planted")
    ingest([run_folder(folder / "run")], folder / "store")
    return view_of(folder / "store")


def test_colours_end_where_those_of_the_run_beside_it_do(by_hand: RunView) -> None:
    read = dict(weights.pictures(by_hand, FCW, by_hand.steps))
    own = weights.on_one_scale(FCW, read, by_hand.steps)
    wide = weights.on_one_scale(FCW, read, by_hand.steps, 2 * own.reach)
    assert wide.reach == 2 * own.reach
    assert weights.on_one_scale(FCW, read, by_hand.steps, own.reach / 2).reach == own.reach
    seen = (own.values != 0) & (own.values != 1) & (own.values != 255)
    np.testing.assert_allclose(wide.values[seen] - 128.0, (own.values[seen] - 128.0) / 2, atol=1)


def frames_of(view: RunView, matrix: WeightMatrix) -> weights.MatrixFrames:
    return weights.on_one_scale(matrix, dict(weights.pictures(view, matrix, view.steps)), view.steps)


def entry(name: str, dims: list[str], shape: list[int], **more: str) -> dict[str, Any]:
    return {"name": name, "section": name.partition("/")[0], "dims": dims, "shape": shape, **more}


def test_the_matrices_of_a_run_layer_by_layer(by_hand: RunView) -> None:
    found = {matrix.label: matrix for matrix in matrices.matrices(by_hand)}
    assert list(found) == ["wte", "wpe", "qkvw.0", "attprojw.0", "fcw.0", "fcprojw.0", "unembed"]
    assert found["fcw.0"] == WeightMatrix("fcw", 0, (6, 8), ("out", "in"), "mlp_in")
    assert found["wte"].axis_words == ("tokens", "channels")
    assert matrices.default_matrix(list(found.values())) is found["fcw.0"]


def test_the_matrix_shown_first_is_found_by_its_role() -> None:
    entries = [
        entry("params/embed", ["token", "channel"], [5, 4]), entry("params/up.norm", ["channel"], [4]),
        entry("params/up", ["layer", "out", "in"], [2, 8, 4], role="mlp_in"),
        entry("grads/up", ["layer", "out", "in"], [2, 8, 4]),
        entry("params/conv", ["out", "in", "kernel"], [2, 3, 3]),
    ]  # fmt: skip
    among = matrices.matrices_in(entries)
    assert [matrix.label for matrix in among] == ["embed", "up.norm", "up.0", "up.1", "conv"]
    assert matrices.default_matrix(among) == among[2]
    assert matrices.default_matrix(among[:2]) == among[0]
    assert matrices.default_matrix(among[1:2]) == among[1]
    assert matrices.default_matrix([]) is None
    assert matrices.in_every_layer(among, among[2]) == among[2:4]
    assert matrices.first_with_role(among, "qkv", "mlp_in") == among[2]


def test_a_matrix_is_read_as_it_was_recorded(by_hand: RunView) -> None:
    snapshots = by_hand.snapshots()
    assert snapshots is not None
    np.testing.assert_array_equal(matrices.read_matrix(snapshots.at(100), FCW), planted(100)["fcw"][0])


@pytest.mark.parametrize(
    ("values", "reach"),
    [
        (np.arange(1001.0)[None] - 500, 499.5),
        (np.eye(60), 1.0),
        (np.array([[np.inf, -2.0]]), 2.0),
        (np.zeros((2, 2)), 0.0),
        (np.full((2, 2), np.nan), 0.0),
    ],
    ids=["percentile", "largest where almost all is 0", "finite ones alone", "zero", "nothing finite"],
)
def test_where_colours_end(values: np.ndarray, reach: float) -> None:
    drawn = weights.picture(values[:, :192])
    expected = reach if values.shape[1] <= 192 else np.quantile(np.abs(values[:, :192]), 0.999)
    assert drawn.reach == pytest.approx(expected)
    assert drawn.empty == (reach == 0)
    assert drawn.nonfinite == np.count_nonzero(~np.isfinite(values))


def test_large_matrices_are_drawn_as_means_and_frames_hold_them_to_one_part_in_127(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).normal(size=(400, 30)).astype(np.float32)
    view = recorded(tmp_path, {0: whole, 10: 2 * whole})
    (matrix,) = matrices.matrices(view)
    shown = frames_of(view, matrix)
    cells = np.stack([whole[k : k + 3].mean(axis=0, dtype=np.float64) for k in range(0, 400, 3)])
    assert (shown.steps, shown.bins, shown.values.shape) == ([0, 10], (3, 1), (2, 134, 30))
    assert shown.reach == pytest.approx(2 * np.quantile(np.abs(cells), 0.999), rel=1e-6)
    inside = np.clip(2 * cells, -shown.reach, shown.reach)
    # Half a shade, and what half precision loses.
    drawn = (shown.values[1].astype(float) - 128) / 127 * shown.reach
    np.testing.assert_allclose(drawn, inside, atol=(0.5 / 127 + 2**-10) * shown.reach)


@pytest.mark.parametrize("outlier", [1.0, 1e4, 1e9, 1e30])
def test_one_huge_weight_blanks_no_picture_and_what_is_not_finite_is_no_number(
    tmp_path: Path, outlier: float
) -> None:
    whole = np.tile(np.linspace(-1e-3, 1e-3, 50, dtype=np.float32), (50, 1))
    whole[0, 0], whole[0, 1] = outlier, np.nan
    view = recorded(tmp_path, {0: whole})
    shown = frames_of(view, matrices.matrices(view)[0])
    assert shown.reach == pytest.approx(1e-3, rel=1e-3)
    assert (shown.values[0, 0, 0], shown.values[0, 0, 1]) == (255, 0)
    drawn = (shown.values[0, 1].astype(float) - 128) / 127 * shown.reach
    np.testing.assert_allclose(drawn, whole[1], atol=0.51 / 127 * shown.reach)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_data_of_a_matrix_is_every_weight_as_recorded(tmp_path: Path, kind: type) -> None:
    whole = np.random.default_rng(0).normal(size=(400, 30)).astype(kind)
    whole[3, 7] = np.inf
    view = recorded(tmp_path, {0: whole})
    (matrix,) = matrices.matrices(view)
    table = weights_table.weights_table(matrices.matrix_at(view, matrix, 0))
    assert table.column_names == ["row", "column", "weight"]
    back = np.zeros_like(whole, np.float64)
    back[table["row"].to_numpy(), table["column"].to_numpy()] = table["weight"].to_numpy()
    np.testing.assert_array_equal(back, whole.astype(np.float64))
    assert weights_table.files_words(matrix) == ""


def test_of_a_matrix_that_is_too_large_for_a_file_the_means_say_what_they_are_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weights_table, "MOST_WEIGHTS", 400 * 30 - 1)
    whole = np.random.default_rng(0).normal(size=(400, 30)).astype(np.float32)
    table = weights_table.weights_table(whole)
    last = table.slice(table.num_rows - 1).to_pylist()[0]
    assert last.pop("mean") == pytest.approx(whole[399:, 29].mean(dtype=np.float64), rel=1e-15)
    assert last == {"first_row": 399, "last_row": 399, "first_column": 29, "last_column": 29}
    assert "of 12,000 weights" in weights_table.files_words(WeightMatrix("w", None, (400, 30)))


def test_a_damaged_snapshot_costs_its_own_frame(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    ingest([run], tmp_path / "store")
    (run / "step_000100.bin").write_bytes(b"damaged")
    view = view_of(tmp_path / "store")
    read = dict(weights.pictures(view, FCW, view.steps))
    assert [step for step, kept in read.items() if kept is None] == [100]
    assert weights.on_one_scale(FCW, read, view.steps).steps == [0, 200]
    assert weights.on_one_scale(FCW, read, [100]).reason == "No snapshot of this matrix can be read."
    assert weights.on_one_scale(FCW, read, [0]).reason.startswith("Every weight of this matrix is 0 or not finite")
    assert weights.on_one_scale(FCW, read, [0], 9.0).reason.startswith("Every weight of this matrix is 0")
    assert dict(weights.pictures(view, WeightMatrix("no", None, (2, 2)), [0, 200])) == {0: None, 200: None}
    shutil.rmtree(run)
    assert matrices.matrices(view) == []
    assert dict(weights.pictures(view, FCW, [0])) == {0: None}


def test_what_may_be_read_and_what_may_be_held_bound_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    tables: Any = None
    view, small = RunView(tables, "a", tuple(range(0, 800, 100))), WeightMatrix("w", None, (10, 10))
    assert weights.affordable(view, small) == list(view.steps)
    monkeypatch.setattr(weights, "MOST_READ", 8 * small.bytes)
    assert weights.affordable(view, small) == list(view.steps)
    monkeypatch.setattr(weights, "MOST_READ", 8 * small.bytes - 1)
    assert weights.affordable(view, small) == [0, 100, 200, 400, 500, 600, 700]
    monkeypatch.setattr(weights, "MOST_READ", 1)
    assert weights.affordable(view, small) == [0, 700]
    assert weights.wanted(view, small, 300) == [0, 300, 700]
    monkeypatch.undo()
    # What travels while somebody waits is less than what a panel may hold.
    monkeypatch.setattr(weights, "MOST_BYTES", 799)
    monkeypatch.setattr(weights, "MOST_MOVED", 300)
    assert weights.affordable(view, small) == [0, 400, 700]
    monkeypatch.setattr(weights, "MOST_BYTES", 800)
    assert weights.affordable(view, small) == list(view.steps)


def test_histograms_count_whole_rows_and_say_how_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(2, 50, 20)).astype(np.float32)
    view = recorded(tmp_path, {0: values, 10: np.zeros_like(values)}, dims=["layer", "out", "in"])
    layers = matrices.matrices(view)
    shown = histograms.histograms(layers, dict(histograms.spreads(view, layers, [0, 10])), [0, 10])
    assert (shown.steps, shown.layers, shown.left_out, shown.reason) == ([0, 10], ["layer 0", "layer 1"], "", "")
    bins = np.isfinite(shown.density[0, 0])
    width = np.diff(shown.centres[0, 0][bins])[0]
    assert (shown.density[0, 0][bins] * width).sum() == pytest.approx(0.999, abs=2e-3)
    monkeypatch.setattr(histograms, "MOST_SAMPLED", 10 * 20)
    assert histograms.sampled_rows(layers[0])[::9] == [0, 49]
    sampled = histograms.histograms(layers, dict(histograms.spreads(view, layers, [10])), [10])
    assert sampled.left_out == "Counted: 200 of 1,000 weights a layer, evenly spaced rows."
    assert sampled.reason == "No histogram: the weights are all equal, not finite, or cannot be read."
    monkeypatch.setattr(weights, "MOST_READ", 2 * 10 * 4 * 200 * 2 - 1)
    assert histograms.steps(RunView(view.tables, "one", (0, 10, 20)), layers, 10) == [0, 10, 20]
    assert histograms.steps(RunView(view.tables, "one", (0, 10, 20)), layers, 20) == [0, 20]


def test_of_very_many_layers_some_are_drawn_and_the_chosen_one_is_among_them(tmp_path: Path) -> None:
    values = np.zeros((1500, 2, 2), np.float32)
    layers = matrices.matrices(recorded(tmp_path, {0: values}, dims=["layer", "out", "in"]))
    assert histograms.shown(layers[:24], layers[3]) == layers[:24]
    for own in (0, 7, 1499):
        drawn = [each.layer or 0 for each in histograms.shown(layers, layers[own])]
        assert len(drawn) <= histograms.MOST_LAYERS
        assert drawn == sorted(drawn)
        assert {0, own, 1499} <= set(drawn)


def test_what_lies_on_the_diagonal_lies_inside_every_band(tmp_path: Path) -> None:
    view = recorded(tmp_path, {0: np.zeros((200, 200), np.float32), 10: np.eye(200, dtype=np.float32)})
    (matrix,) = matrices.matrices(view)
    read = dict(bands.profiles(view, matrix, view.steps))
    shown = bands.bands(read, view.steps)
    assert (shown.steps, shown.grouped) == ([10], 3)
    # Distances 0, 1 and 2 hold 200 + 2 (199 + 198) of 40,000 weights, and all of the energy.
    assert shown.density()[0, 0] == pytest.approx(40_000 / 994)
    assert shown.distances()[[0, -1]].tolist() == [1.0, 198.5]
    assert shown.inside([0, 10]).to_pylist() == [
        {"step": 10, "series": percent, "value": 1.0} for percent in ("10", "25", "50")
    ]
    assert shown.inside([0]).num_rows == 0
    assert bands.bands(read, [0]).reason.startswith("No snapshot of this matrix has a band profile")


def test_singular_values_that_are_stored_are_those_that_are_computed(tmp_path: Path) -> None:
    ingest([run_folder(tmp_path / "run")], tmp_path / "store")
    store = Store(tmp_path / "store")
    before = view_of(tmp_path / "store")
    assert not spectrum.analysed(before, FCW)
    assert spectrum.stored(before, FCW).reason.startswith("No singular values")
    assert spectrum.stored_at(before, FCW, None) is None
    assert spectrum.analysed_matrices(before) == []
    Deriver(store, store.run("planted")).fill(["spectra"])
    view = view_of(tmp_path / "store")
    assert spectrum.analysed(view, FCW)
    assert {"fcw.0", "wte"} < {each.label for each in spectrum.analysed_matrices(view)}
    stored, computed = spectrum.stored(view, FCW), spectrum.computed(view, FCW, 200)
    assert (stored.steps, stored.total, stored.left_out) == ([0, 100, 200], 6, "All 6, largest first.")
    assert computed.values is not None
    np.testing.assert_allclose(stored.values[2], computed.values, rtol=1e-6, atol=1e-6)
    # Six phases evenly round a circle: two directions of equal length.
    np.testing.assert_allclose(computed.values, [3**0.5, 3**0.5, 0, 0, 0, 0], atol=1e-6)
    assert computed.method == "an SVD in float64"
    one = spectrum.stored_at(view, FCW, 150)
    assert one is not None
    assert one.step == 100
    np.testing.assert_allclose(one.values, computed.values, atol=1e-6)


def test_why_there_are_no_singular_values(tmp_path: Path) -> None:
    bad = np.ones((4, 4), np.float32)
    bad[0, 0] = np.nan
    view = recorded(tmp_path, {0: bad, 10: bad, 20: np.ones((4, 4), np.float32)})
    (matrix,) = matrices.matrices(view)
    (tmp_path / "one" / "step_000010.bin").write_bytes(b"damaged")
    made = {step: spectrum.computed(view, matrix, step) for step in view.steps}
    assert made[0].reason == "A weight is not finite at step 0, so there are no singular values."
    assert made[10].reason == "The snapshot of step 10 cannot be read: `strobe verify` says why."
    assert spectrum.of_computed(matrix, made).steps == [20]
    assert spectrum.of_computed(matrix, {0: made[0]}).steps == []
    shutil.rmtree(tmp_path / "one")
    gone = spectrum.computed(view, matrix, 20)
    assert gone.reason == "The snapshots of this run are not on this machine."
    assert gone.values is None


def test_activations_of_the_tables_and_of_none(tmp_path: Path, by_hand: RunView) -> None:
    none = activations.activations(by_hand, activations.in_snapshots(by_hand))
    assert (none.quantities, none.answer.table.num_rows) == ([], 0)
    assert none.reason.startswith("This run recorded no activations")
    ingest([make_run(tmp_path / "two", steps=(0, 100, 200))], tmp_path / "store")
    view = view_of(tmp_path / "store", "two")
    found = activations.activations(view, activations.in_snapshots(view))
    assert (found.quantities, found.reason) == (["stream"], "")
    own = found.of("stream").table
    assert list(dict.fromkeys(own["series"].to_pylist())) == ["embedding", "layer 0", "layer 1"]
    snapshots = view.snapshots()
    assert snapshots is not None
    exact = np.sqrt(np.mean(np.square(snapshots.at(0)["residual/encoded"], dtype=np.float64)))
    assert own["value"][0].as_py() == pytest.approx(exact, rel=1e-5)


def test_activations_of_long_runs_are_read_at_some_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "MOST_STEPS", 2)
    shares = np.array([[0.0, 0.5, 1.0, 1.0]])
    view = recorded(
        tmp_path, dict.fromkeys((0, 10, 20), shares),
        name="activations/unit_active", section="activations", dims=["layer", "neuron"],
    )  # fmt: skip
    found = activations.activations(view, activations.in_snapshots(view))
    assert found.quantities == ["active", "dead", "always_on"]
    assert found.of("always_on").table.select(["series", "step", "value"]).to_pylist() == [
        {"series": "layer 0", "step": step, "value": 2.0} for step in (0, 20)
    ]
    assert found.left_out("active") == "Read at 2 of 3 snapshots."
    assert found.left_out("stream") == ""


def test_weights_that_are_not_finite_are_counted_at_their_steps(tmp_path: Path) -> None:
    one, two = np.ones((4, 5), np.float32), np.ones((4, 5), np.float32)
    one[0, 0], two[1, :] = np.nan, np.inf
    shown = frames_of(recorded(tmp_path, {0: np.ones((4, 5), np.float32), 10: one, 20: two}), SMALL)
    assert shown.nonfinite == {10: 1, 20: 5}
    assert shown.nonfinite_words == (
        "Weights are not finite at 2 of the 3 steps: first at step 10 (1), most at step 20 (5)."
    )
    assert weights.MatrixFrames([0], shown.values, 1.0, (1, 1), {}).nonfinite_words == ""


def test_ranks_of_a_step_that_has_none_are_there_as_null(tmp_path: Path) -> None:
    recorded(tmp_path, {0: np.eye(4, 5, dtype=np.float32), 10: np.full((4, 5), np.nan, np.float32)})
    store = Store(tmp_path / "store")
    Deriver(store, store.run("one")).fill(["spectra"])
    rows = spectrum.ranks(view_of(tmp_path / "store", "one"), SMALL).table.to_pylist()
    assert [row["step"] for row in rows] == [0, 10] * 3
    assert [row["value"] for row in rows if row["step"] == 10] == [None] * 3
    assert [row["value"] for row in rows if row["step"] == 0] == pytest.approx([4, 4, 4])
