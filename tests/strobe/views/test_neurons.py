"""Neurons over all their inputs, from a model that was made by hand: each sees one circle along its own phase."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.derive import addition
from strobe.derive.filling.deriver import Deriver
from strobe.derive.recorded_run import RecordedRun
from strobe.views import neurons
from strobe.views.budget import MOST_BYTES
from strobe.views.neurons import Inputs, Neuron
from strobe.views.run_view import CatalogueTables, RunView, snapshot_steps
from tests.support.planted import KEY, NEURONS, P, run_folder


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    root = tmp_path_factory.mktemp("neurons")
    ingest([run_folder(root / "run")], root / "store")
    store = Store(root / "store")
    Deriver(store, store.run("planted")).fill()
    tables = CatalogueTables(Store(root / "store").current(), str(root / "store"))
    return RunView(tables, "planted", snapshot_steps(tables, "planted"))


def expected(neuron: int) -> np.ndarray:
    """(p, p): GELU of what a neuron sees: a third of each input's place on the circle, along its own phase."""
    phase = 2 * np.pi * neuron / NEURONS
    seen = np.cos(2 * np.pi * KEY * np.arange(P) / P - phase) / 3
    x = seen[:, None] + seen[None, :]
    return np.asarray(x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))) / 2)


def test_inputs_are_all_pairs(view: RunView) -> None:
    assert neurons.inputs(view) == Inputs(P * P)


def test_too_many_inputs_are_refused_with_their_number(view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neurons, "MOST_INPUTS", P * P - 1)
    assert neurons.inputs(view) == Inputs(169, "Not computed: 169 inputs are more than the 168 that are run here.")
    monkeypatch.setattr(neurons, "MOST_INPUTS", P * P)
    assert neurons.inputs(view) == Inputs(P * P)


def test_every_neuron_is_named_with_the_planted_frequency(view: RunView) -> None:
    named = neurons.named(view)
    assert {neuron.id for neuron in named} == {f"0.{k}" for k in range(NEURONS)}
    assert {neuron.frequency for neuron in named} == {KEY}
    shares = [neuron.share for neuron in named]
    assert shares == sorted(shares, reverse=True)
    assert min(shares) > 0.85


def test_the_clearest_are_as_many_as_there_are_tiles(view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    assert neurons.clearest(view) == neurons.named(view)
    monkeypatch.setattr(neurons, "TILES", 2)
    assert neurons.clearest(view) == neurons.named(view)[:2]


def test_a_neuron_has_a_history_from_when_it_varies(view: RunView) -> None:
    found = neurons.history(view, neurons.named(view)[0])
    assert set(found) == {100, 200}, "at step 0 all weights are 0, so nothing varies"
    assert {frequency for frequency, _ in found.values()} == {KEY}


def test_a_grid_is_the_planted_activation(view: RunView) -> None:
    activation = neurons.activations(view, 200, [Neuron(0, k, KEY, 1.0) for k in (4, 0)])
    assert activation is not None
    assert (activation.shape, activation.dtype) == ((2, P, P), np.dtype(np.float32))
    drawn = neurons.grids(activation)
    assert drawn is not None
    assert (drawn.tiles.shape, drawn.tiles.dtype) == ((2, P, P), np.dtype(np.uint8))
    assert (drawn.tiles.min(axis=(1, 2)).tolist(), drawn.tiles.max(axis=(1, 2)).tolist()) == ([0, 0], [255, 255])
    span = (drawn.high - drawn.low)[:, None, None]
    for values, neuron in zip(drawn.low[:, None, None] + drawn.tiles / 255 * span, (4, 0), strict=True):
        assert np.abs(values - expected(neuron)).max() < np.ptp(expected(neuron)) / 255


def test_some_neurons_alone_are_those_of_the_whole_pass(view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addition, "_AT_ONCE", 100)  # several parts, the last of them shorter
    chosen = [Neuron(0, k, KEY, 1.0) for k in range(NEURONS)]
    some = neurons.activations(view, 200, chosen)
    snapshots = view.snapshots()
    assert some is not None
    assert snapshots is not None
    whole = addition.AdditionModel(RecordedRun(snapshots)).forward(200).activation[0]
    assert np.allclose(some.reshape(NEURONS, -1), whole.T, rtol=1e-5, atol=1e-6)


def test_a_neuron_that_never_varies_is_dark(view: RunView) -> None:
    drawn = neurons.grids(neurons.activations(view, 0, [Neuron(0, 0, KEY, 0.0)]))
    assert drawn is not None
    assert not drawn.tiles.any()
    assert (drawn.low.tolist(), drawn.high.tolist()) == ([0], [0])


def test_the_table_has_a_row_for_every_neuron_and_input(view: RunView) -> None:
    chosen = [Neuron(0, 5, KEY, 1.0), Neuron(0, 2, KEY, 1.0)]
    activation = neurons.activations(view, 200, chosen)
    assert activation is not None
    rows = neurons.table(activation, chosen).to_pylist()
    assert len(rows) == 2 * P * P
    last = rows[-1]
    assert (last["layer"], last["neuron"], last["a"], last["b"]) == (0, 2, P - 1, P - 1)
    assert rows[3 * P + 7]["activation"] == activation[0, 3, 7]
    assert rows[3 * P + 7]["activation"] == pytest.approx(expected(5)[3, 7], abs=1e-6)


def test_as_many_snapshots_as_their_bytes_allow(view: RunView) -> None:
    long = replace(view, steps=tuple(range(100)))
    assert neurons.affordable(long, 1, 1) == neurons.affordable(long, 12, P * P)
    assert len(neurons.affordable(long, 12, P * P)) == neurons.MOST_FRAMES
    assert len(neurons.affordable(long, 12, MOST_BYTES // 60)) == 5
    assert neurons.affordable(long, 12, MOST_BYTES) == [0, 99], "both ends, however large"


def test_without_snapshots_there_are_names_and_no_grids(tmp_path: Path) -> None:
    ingest([run_folder(tmp_path / "run")], tmp_path / "store")
    store = Store(tmp_path / "store")
    Deriver(store, store.run("planted")).fill(["neurons"])
    tables = CatalogueTables(Store(tmp_path / "store").current())
    shutil.rmtree(tmp_path / "run")
    gone = RunView(tables, "planted", (0, 100, 200))
    assert neurons.inputs(gone).reason == "The snapshots of this run are not on this machine; its tables are."
    assert neurons.activations(gone, 200, [Neuron(0, 0, KEY, 0.0)]) is None
    assert neurons.grids(None) is None
    assert len(neurons.named(gone)) == NEURONS
