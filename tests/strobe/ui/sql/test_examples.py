"""Worked examples that stand for a definition: single steps alone have a band, and there is one onset."""

from __future__ import annotations

import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from strobe.ui.sql.examples import EXAMPLES
from strobe.views.milestones import milestones
from strobe.views.run_view import CatalogueTables
from tests.support.make_run import make_run

SQL = {example.title: example.sql for example in EXAMPLES}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Snapshots one step apart and far apart, of a run that groks at step 880."""
    root = tmp_path_factory.mktemp("examples")
    ingest([make_run(root / "runs" / "groks", steps=(0, 1, 2, 1500), layers=1, metrics_every=4)], root / "store")
    made = Store(root / "store")
    Deriver(made, made.run("groks")).fill(["transitions"])
    return Store(root / "store")


def test_the_band_is_asked_of_single_steps_alone(store: Store) -> None:
    rows = store.sql(SQL["Update ratios"]("groks")).to_pylist()
    assert {row["tensor"] for row in rows} >= {"wte", "fcw"}
    assert {(row["one_step_ratios"], row["too_small"], row["too_large"]) for row in rows} == {(2, 0, 2)}


def test_movement_between_snapshots_is_net_and_has_its_gaps(store: Store) -> None:
    rows = store.sql(SQL["Net movement"]("groks")).to_pylist()
    assert {(row["least_gap"], row["most_gap"]) for row in rows} == {(1, 1498)}


def test_the_gap_is_to_the_onset_that_pages_mark(store: Store) -> None:
    (row,) = store.sql(SQL["Grokking gap"]("groks")).to_pylist()
    onset = milestones(CatalogueTables(store.current()), "groks").onset
    assert onset is not None
    assert (row["train_at"], row["onset_at"], row["gap"]) == (onset.fitted, onset.step, 780)
    assert row["answer"] == onset.sentence
