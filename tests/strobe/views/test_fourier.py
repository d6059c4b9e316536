"""What is shown of the frequencies of a model that was made by hand: one circle of frequency KEY."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from strobe.views import fourier
from strobe.views.fourier import End
from strobe.views.run_view import CatalogueTables, RunView, snapshot_steps
from tests.support.planted import ADDING, KEY, NEURONS, P, planted, run_folder


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    """Step 0 has only the circle in its embedding; from step 100 on every neuron answers to KEY."""
    root = tmp_path_factory.mktemp("fourier")
    ingest([run_folder(root / "run")], root / "store")
    store = Store(root / "store")
    Deriver(store, store.run("planted")).fill()
    tables = CatalogueTables(Store(root / "store").current(), str(root / "store"))
    return RunView(tables, "planted", snapshot_steps(tables, "planted"))


@pytest.fixture(scope="module")
def bare(view: RunView) -> RunView:
    """A run that is not in the tables."""
    return RunView(view.tables, "another")


def test_losses_over_all_inputs_stand_where_no_split_is_known(view: RunView, tmp_path: Path) -> None:
    known = set(fourier.losses(view).table["series"].to_pylist())
    assert not known & {"full_loss all", "model_loss all"}
    task = {name: value for name, value in ADDING.items() if name != "split"}
    ingest([run_folder(tmp_path / "run", task=task)], tmp_path / "store")
    store = Store(tmp_path / "store")
    Deriver(store, store.run("planted")).fill(["progress"])
    rows = fourier.losses(RunView(CatalogueTables(store.current()), "planted")).table.to_pylist()
    assert {row["series"] for row in rows if row["value"] is not None} >= {"full_loss all", "model_loss all"}


def test_power_is_all_in_the_planted_frequency(view: RunView) -> None:
    rows = fourier.power(view).table.to_pylist()
    assert [row["row"] for row in rows] == sorted(row["row"] for row in rows)
    assert {int(row["row"]) for row in rows} == set(range(1, P // 2 + 1))
    for row in rows:
        planted = row["row"] == str(KEY)
        assert row["value"] == pytest.approx(np.sqrt(P) if planted else 0, abs=1e-5), row


def test_the_planted_frequency_is_the_one_key(view: RunView, bare: RunView) -> None:
    assert fourier.key_frequencies(view) == [KEY]
    assert fourier.key_frequencies(bare) == []


def test_the_end_counts_every_neuron_on_its_key(view: RunView) -> None:
    found = fourier.end(view)
    assert (found.neurons, found.specialised, found.keys) == (NEURONS, NEURONS, [KEY])
    # All unembeddings are 0, so every answer is as likely, whatever is taken away.
    assert found.losses[("full_loss", "all")] == pytest.approx(np.log(P + 1), abs=0.1)
    assert found.sentence().startswith(
        f"6 of 6 neurons specialise (share at least 0.85) on 1 key frequency: {KEY}. With those alone the loss is "
    )


def test_a_run_without_rows_ends_with_nothing(bare: RunView) -> None:
    assert fourier.end(bare) == End(0, 0, [], {})
    assert fourier.end(bare).sentence() == "0 of 0 neurons specialise (share at least 0.85); no key frequency."


def test_the_sentence_has_every_loss_by_its_place() -> None:
    losses = {("restricted_loss", "all"): 0.25, ("full_loss", "all"): 0.5, ("excluded_loss", "train"): 7.0}
    assert End(512, 400, [3, 5], dict(losses)).sentence() == (
        "400 of 512 neurons specialise (share at least 0.85) on 2 key frequencies: 3, 5. With those alone the loss "
        "is 0.250 nats (all of the model: 0.500); without them it is 7.00 on the training set."
    )
    assert re.search("loss is – nats.*: –\\).*is – on", End(512, 400, [3], {}).sentence()), "unknown is a dash"


def test_losses_are_four_series(view: RunView) -> None:
    table = fourier.losses(view).table
    assert set(table["series"].to_pylist()) == {
        "full_loss train", "full_loss val", "restricted_loss all", "excluded_loss train",
    }  # fmt: skip
    order = list(zip(table["series"].to_pylist(), table["step"].to_pylist(), strict=True))
    assert order == sorted(order)


def test_clusters_count_specialised_neurons_by_frequency(view: RunView) -> None:
    rows = fourier.clusters(view).table.to_pylist()
    assert [(row["series"], row["step"], row["value"]) for row in rows if row["value"]] == [
        (str(KEY), 100, NEURONS), (str(KEY), 200, NEURONS),
    ]  # fmt: skip


def test_gini_of_one_circle_is_near_one(view: RunView) -> None:
    rows = fourier.gini(view).table.to_pylist()
    assert {row["series"] for row in rows} <= {"gini_embedding", "gini_unembedding", "gini_neuron_logit"}
    embedding = [row["value"] for row in rows if row["series"] == "gini_embedding"]
    assert len(embedding) == 3
    assert min(embedding) > 0.7


@pytest.mark.parametrize(("run", "snapshots"), [("planted", 3), ("another", 0)])
def test_too_few_snapshots_for_phases_are_counted(view: RunView, run: str, snapshots: int) -> None:
    found = fourier.phases_of(replace(view, run=run))
    reason = f"{snapshots} snapshots have all four losses, and at least 4 are needed"
    assert (found.found, found.reason) == ((), reason)


def test_what_a_log_scale_has_a_place_for() -> None:
    table = pa.table({"value": [1.0, 0.0, -1.0, None, 2.0]})
    assert fourier.positive(table)["value"].to_pylist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("restricted", "full", "factor"),
    [(0.5, 0.1, "5.00"), (0.201, 0.1, "2.01"), (0.2, 0.1, ""), (0.05, 0.1, ""), (None, 0.1, ""), (0.5, 0.0, "")],
)
def test_incomplete_keys_are_said_with_their_factor(restricted: float | None, full: float, factor: str) -> None:
    losses = {("restricted_loss", "all"): restricted, ("full_loss", "all"): full, ("excluded_loss", "train"): 7.0}
    said = End(512, 400, [3, 5], losses).sentence()
    wanted = f"The key frequencies are incomplete: with them alone the loss is {factor} times that of the whole model"
    assert (wanted in said) if factor else ("incomplete" not in said)


def test_the_excluded_loss_of_each_key_is_a_grid(view: RunView) -> None:
    rows = fourier.excluded_by_key(view).table.to_pylist()
    assert [(row["row"], row["step"]) for row in rows] == [(str(KEY), step) for step in (0, 100, 200)]
    # All logits are 0: nothing is lost without a frequency that is not there.
    assert [row["value"] for row in rows] == pytest.approx([np.log(P)] * 3)


def test_squared_weights_are_those_of_every_parameter(view: RunView) -> None:
    rows = fourier.squared_weights(view).table.to_pylist()
    expected = [sum(float((value.astype(float) ** 2).sum()) for value in planted(step).values()) for step in (0, 100)]
    assert [row["value"] for row in rows[:2]] == pytest.approx(expected)
    assert expected[0] == pytest.approx(P), "one circle"
