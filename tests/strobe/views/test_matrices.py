"""What of a model can be looked at as a matrix or a vector, what it is called and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run.snapshot_errors import SnapshotError
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from strobe.record import Recorder, TensorSpec
from strobe.views import histograms, sorted_values, spectrum
from strobe.views.matrices import WeightMatrix, in_every_layer, matrices, matrix_at
from strobe.views.matrix_names import asked
from strobe.views.run_view import CatalogueTables, RunView

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(size=(6, 3, 2, 2)).astype(np.float32)
EXPERTS = RANDOM.normal(size=(2, 5, 4)).astype(np.float32)
STACKED = RANDOM.normal(size=(3, 2, 5, 4)).astype(np.float32)
LAYERS = {k: RANDOM.normal(size=(4, 4)).astype(np.float32) for k in (0, 2, 10)}
SCALE = np.array([3.0, np.nan, 1.0, 2.0], np.float32)


def tensors() -> list[TensorSpec]:
    own = [TensorSpec(f"layers.{k}.q", "params", ("out", "in"), LAYERS[k], layer=k, group="layers.q") for k in LAYERS]
    return [
        TensorSpec("conv", "params", ("out", "in", "height", "width"), KERNEL, role="conv"),
        TensorSpec("up", "params", ("expert", "out", "in"), EXPERTS, layer=1, group="up"),
        TensorSpec("down", "params", ("layer", "expert", "out", "in"), STACKED),
        *own,
        TensorSpec("scale", "params", ("unit",), SCALE),
    ]


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    root = tmp_path_factory.mktemp("odd")
    with Recorder(root / "odd", tensors()) as recorder:
        recorder.snapshot(0)
        recorder.flush()
        recorder.snapshot(10)
    ingest([root / "odd"], root / "store")
    return RunView(CatalogueTables(Store(root / "store").current(), str(root / "store")), "odd", (0, 10))


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("conv", KERNEL.reshape(6, 12)),
        ("up.1 expert 1", EXPERTS[1]),
        ("down.2 expert 0", STACKED[2, 0]),
        ("layers.q.10", LAYERS[10]),
        ("scale", SCALE[None]),
    ],
)
def test_each_is_read_by_its_label(view: RunView, label: str, expected: np.ndarray) -> None:
    matrix = asked(matrices(view), label)
    np.testing.assert_array_equal(matrix_at(view, matrix, 10), expected)
    assert matrix.shape == expected.shape


def test_a_kernel_and_a_vector_say_how_they_lie(view: RunView) -> None:
    among = matrices(view)
    assert asked(among, "conv").shape_words == (
        "6 rows (outputs) by 12 columns (inputs × height × width). A kernel as the matrix that input patches are "
        "multiplied by."
    )
    assert asked(among, "scale").shape_words == "A vector of 4."
    assert asked(among, "scale").vector


def test_the_layers_of_a_group_belong_together_and_experts_do_not(view: RunView) -> None:
    among = matrices(view)
    assert [each.label for each in in_every_layer(among, asked(among, "layers.q", 2))] == [
        "layers.q.0", "layers.q.2", "layers.q.10",
    ]  # fmt: skip
    assert [each.label for each in in_every_layer(among, asked(among, "down.0 expert 1"))] == [
        "down.0 expert 1", "down.1 expert 1", "down.2 expert 1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tensor", "layer", "label"),
    [
        ("layers.q", 10, "layers.q.10"), ("layers.10.q", 0, "layers.q.10"), ("up", 0, "up.1 expert 0"),
        ("down", 2, "down.2 expert 0"), ("scale", 0, "scale"),
    ],
)  # fmt: skip
def test_a_matrix_is_named_by_tensor_and_layer(view: RunView, tensor: str, layer: int, label: str) -> None:
    assert asked(matrices(view), tensor, layer).label == label


@pytest.mark.parametrize(
    ("tensor", "layer", "said"),
    [
        ("layers.q", 1, "layers.q has layers 0, 2, 10; --layer counts from 0"),
        ("down", 3, "down has 3 layers; --layer counts from 0"),
        ("conv", 1, "conv has no layers, so no layer 1; leave --layer out"),
        ("nope", 0, "its snapshots have no params/nope; there are conv, down, layers.q, scale, up"),
    ],
)  # fmt: skip
def test_what_names_no_matrix_is_said(view: RunView, tensor: str, layer: int, said: str) -> None:
    with pytest.raises(StrobeError) as refused:
        asked(matrices(view), tensor, layer)
    assert str(refused.value) == said


def test_the_spectra_of_a_group_are_found_where_the_tables_have_them(view: RunView) -> None:
    store = Store(Path(view.tables.key[0]))
    Deriver(store, store.run("odd")).fill(["spectra"])
    after = RunView(CatalogueTables(store.current(), str(store.path)), "odd", (0, 10))
    matrix = asked(matrices(after), "layers.q", 2)
    stored = spectrum.stored(after, matrix)
    np.testing.assert_allclose(stored.values[0], np.linalg.svd(LAYERS[2])[1], rtol=1e-5)


def test_kernels_and_experts_have_spectra_of_their_own(view: RunView) -> None:
    store = Store(Path(view.tables.key[0]))
    Deriver(store, store.run("odd")).fill(["spectra"])
    after = RunView(CatalogueTables(store.current(), str(store.path)), "odd", (0, 10))
    planted = {"conv": KERNEL.reshape(6, 12), "up.1 expert 1": EXPERTS[1], "down.2 expert 0": STACKED[2, 0]}
    for label, expected in planted.items():
        stored = spectrum.stored(after, asked(matrices(after), label))
        np.testing.assert_allclose(stored.values[1], np.linalg.svd(expected)[1], rtol=1e-5)
    names = {each.label for each in spectrum.analysed_matrices(after)}
    assert {"conv", "up.1 expert 0", "down.0 expert 1", "layers.q.10"} <= names
    assert "scale" not in names, "a vector has no spectrum"


def test_a_vector_is_the_curve_of_its_values_in_order(view: RunView) -> None:
    vector = asked(matrices(view), "scale")
    shown = sorted_values.frames(dict(sorted_values.read(view, vector, view.steps)), view.steps)
    assert shown.values.tolist() == [[3.0, 2.0, 1.0]] * 2
    assert shown.places.tolist() == [[1, 2, 3]] * 2
    assert (
        shown.words
        == "Its 3 values, from the greatest. 1 of 4 are not finite. At 2 of the steps some are not finite."
    )
    rows = sorted_values.over_training(view, vector).table.to_pylist()
    assert {(row["series"], row["value"]) for row in rows if row["step"] == 10} >= {("max", 3.0), ("min", 1.0)}


def test_of_a_long_vector_some_values_are_drawn_with_both_ends() -> None:
    shown = sorted_values.sorted_values(np.arange(5000.0))
    assert (len(shown.values), shown.values[0], shown.values[-1]) == (1024, 4999.0, 0.0)
    np.testing.assert_array_equal(shown.values, 5000.0 - shown.places)
    assert shown.words == "1,024 of its 5,000 finite values, from the greatest."


def test_a_vector_of_nothing_finite_says_so() -> None:
    empty = sorted_values.sorted_values(np.full(3, np.nan))
    assert sorted_values.frames({0: empty, 1: None}, [0, 1]).reason.startswith("No snapshot of this vector")


def test_the_histogram_of_a_group_has_every_layer(view: RunView) -> None:
    among = matrices(view)
    layers = in_every_layer(among, asked(among, "layers.q", 0))
    read: dict[int, Any] = dict(histograms.spreads(view, layers, view.steps))
    assert histograms.histograms(layers, read, view.steps).layers == ["layer 0", "layer 2", "layer 10"]


def test_a_matrix_of_another_shape_is_no_matrix(view: RunView) -> None:
    with pytest.raises(SnapshotError, match="is not .5, 5. here"):
        matrix_at(view, WeightMatrix("conv", None, (5, 5)), 0)
