"""Distributions over steps, of weights, gradients, movements and activations, in own bins and in shared ones."""

from __future__ import annotations

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views import spread_history
from strobe.views.matrices import WeightMatrix, matrices
from strobe.views.run_view import CatalogueTables, RunView
from tests.support.make_run import make_run

STEPS = (0, 100, 300)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    root = tmp_path_factory.mktemp("spread")
    ingest([make_run(root / "runs" / "a", steps=STEPS)], root / "store")
    return RunView(CatalogueTables(Store(root / "store").current()), "a", STEPS)


@pytest.fixture(scope="module")
def matrix(view: RunView) -> WeightMatrix:
    return next(one for one in matrices(view) if one.name == "fcw" and one.layer == 1)


def values(view: RunView, name: str, step: int) -> np.ndarray:
    snapshots = view.snapshots()
    assert snapshots is not None
    return np.asarray(snapshots.at(step).values(name, 1), np.float64)


def shown(view: RunView, matrix: WeightMatrix, kind: str) -> spread_history.SpreadHistory:
    return spread_history.history(dict(spread_history.spreads(view, matrix, kind, STEPS)), STEPS)


def mean_of(found: spread_history.SpreadHistory, k: int) -> float:
    own = np.isfinite(found.density[k])
    return float(np.average(found.centres[k][own], weights=found.density[k][own]))


def test_what_a_run_has_of_a_matrix(view: RunView, matrix: WeightMatrix) -> None:
    assert spread_history.kinds(view, matrix) == ["weights", "gradients", "updates", "activations"]


@pytest.mark.parametrize(
    ("kind", "name"), [("weights", "params/fcw"), ("gradients", "grads/fcw"), ("activations", "residual/residual3")]
)
def test_a_distribution_is_that_of_the_numbers(view: RunView, matrix: WeightMatrix, kind: str, name: str) -> None:
    found = shown(view, matrix, kind)
    assert found.steps == list(STEPS)
    for k, step in enumerate(STEPS):
        own = values(view, name, step)
        width = float(np.nanmax(found.centres[k]) - np.nanmin(found.centres[k]))
        assert mean_of(found, k) == pytest.approx(own.mean(), abs=0.05 * width)


def test_a_movement_is_since_the_snapshot_before_and_of_one_step(view: RunView, matrix: WeightMatrix) -> None:
    found = shown(view, matrix, "updates")
    assert found.steps == [100, 300]
    moved = (values(view, "params/fcw", 300) - values(view, "params/fcw", 100)) / 200
    reach = np.nanmax(np.abs(found.centres[1]))
    assert np.quantile(np.abs(moved), 0.99) <= reach * 1.1
    assert reach <= np.abs(moved).max() * 1.001


def test_shared_bins_hold_what_each_step_has() -> None:
    random = np.random.default_rng(0)
    read = {step: spread_history._spread(random.normal(3 * step, 1, 5_000)) for step in (0, 1, 2)}
    names, density = spread_history.heat(spread_history.history(read, [0, 1, 2]))
    assert density.shape == (len(names), 3)
    assert len(set(names)) == len(names)
    # Rows stand with the highest values first, so a distribution that moves up moves to earlier rows.
    middles = [np.average(np.arange(len(names)), weights=density[:, k] + 1e-12) for k in range(3)]
    assert (density >= 0).all()
    assert middles[2] < middles[1] < middles[0]


def test_nothing_to_draw_says_why() -> None:
    flat = {0: spread_history._spread(np.ones(50)), 1: None}
    assert "all equal" in spread_history.history(flat, [0, 1]).reason
