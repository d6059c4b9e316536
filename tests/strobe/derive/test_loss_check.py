"""The loss check on logs that are known to be right or wrong: a random model, and a reference of its losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.run.snapshot import numpy_dtype
from etl.store.catalogue import Store
from strobe.analysis.loss_check import METRICS
from strobe.analysis.loss_reason import EXCHANGED, LATER, OTHER_ROWS, OTHER_SPLIT_OR_MODEL, TRAIN_ALONE
from strobe.analysis.tasks import BATCHES, SPLIT, modular_addition
from strobe.derive.filling.deriver import Deriver
from strobe.derive.loss_check import NOT_LOGGED, OF_A_BATCH, PERHAPS_OF_A_BATCH, TAKEN_AFTER
from strobe.views.loss_check import Finding, finding
from strobe.views.run_view import CatalogueTables
from tests.support.adding import P, log, measured, record, weights

FRACTION, SEED = 0.4, 9
OURS = {"split": SPLIT, "train_fraction": FRACTION, "data_seed": SEED, "batches": "full"}
TRUE = measured(weights(), modular_addition(P, FRACTION, SEED).train_index)


def checked(
    folder: Path, logged: dict[int, dict[str, float]] | None = None, params: dict | None = None, **said: Any
) -> tuple[dict[str, dict], Finding]:
    """The rows of step 40 by metric, and the finding, of a run that logged TRUE unless another log is given."""
    said.setdefault("task", OURS)
    run = record(folder / "adding", params or weights(), **said)
    log(run, {40: TRUE} if logged is None else logged)
    ingest([run], folder / "store")
    store = Store(folder / "store")
    report = Deriver(store, store.run("adding")).fill(["progress", "loss_check"])
    assert not report.bad
    catalogue = Store(folder / "store").current()
    rows = catalogue.query("SELECT * FROM loss_check WHERE step = 40").to_pylist()
    return {row["metric"]: row for row in rows}, finding(CatalogueTables(catalogue), "adding")


def test_a_right_log_agrees_in_every_value(tmp_path: Path) -> None:
    rows, found = checked(tmp_path)
    assert set(rows) == set(METRICS)
    for name, row in rows.items():
        assert row["logged"] == pytest.approx(TRUE[name])
        assert row["computed"] == pytest.approx(TRUE[name], rel=1e-5)
        assert (row["agrees"], row["likely"], row["note"]) == (True, None, None)
    assert (found.compared, found.snapshots, found.fires) == (4, 1, False)
    assert found.sentence() == (
        "Loss check: all 4 logged losses and accuracies at 1 snapshot are what the snapshots give when they are run "
        "again."
    )


def test_a_wrong_seed_fires_and_is_told_from_a_wrong_model(tmp_path: Path) -> None:
    rows, found = checked(tmp_path, task=OURS | {"data_seed": SEED + 1})
    wrong = [row for row in rows.values() if row["agrees"] is False]
    assert wrong
    assert {row["likely"] for row in wrong} == {OTHER_ROWS}
    assert found.fires
    worst = max(
        (row for row in wrong if row["metric"] == "val_loss"), key=lambda row: abs(row["logged"] - row["computed"])
    )
    assert (
        f"val_loss at step 40: logged {worst['logged']:.2f}, recomputed {worst['computed']:.2f}" in found.sentence()
    )
    assert f"Likely: {OTHER_ROWS}." in found.sentence()
    assert "Progress measures, which rest on the same pass and split, are doubtful." in found.sentence()


def test_exchanged_rows_are_named(tmp_path: Path) -> None:
    train = modular_addition(P, FRACTION, SEED).val_index.tolist()
    rows, _ = checked(tmp_path, task={"split": "rows", "train_rows": train, "batches": "full"})
    assert {row["likely"] for row in rows.values() if row["agrees"] is False} == {EXCHANGED}


def test_a_transposed_square_matrix_that_says_otherwise_fires(tmp_path: Path) -> None:
    params = weights()
    params["attprojw"] = np.ascontiguousarray(params["attprojw"].swapaxes(1, 2))
    rows, found = checked(tmp_path, params=params)
    assert rows["val_loss"]["agrees"] is False
    assert rows["val_loss"]["likely"] == OTHER_SPLIT_OR_MODEL
    assert found.fires


def test_a_bias_that_was_not_recorded_fires(tmp_path: Path) -> None:
    params = {name: value for name, value in weights().items() if name != "unembedb"}
    rows, _ = checked(tmp_path, params=params)
    assert rows["val_loss"]["agrees"] is False


LATE = {name: value * 3 if "loss" in name else value / 2 + 0.3 for name, value in TRUE.items()}
"""What another step's parameters give."""


def test_a_log_that_is_one_step_late_is_named_and_no_split(tmp_path: Path) -> None:
    rows, _ = checked(tmp_path, {40: LATE, 41: TRUE})
    assert {row["likely"] for row in rows.values() if row["agrees"] is False} == {LATER}


def test_train_that_was_logged_before_the_update_is_no_other_split(tmp_path: Path) -> None:
    mixed = {name: (LATE if name.startswith("train") else TRUE)[name] for name in TRUE}
    rows, _ = checked(tmp_path / "near", {40: mixed, 41: TRUE})
    assert {name: row["likely"] for name, row in rows.items()} == {
        name: LATER if name.startswith("train") else None for name in TRUE
    }
    rows, _ = checked(tmp_path / "alone", {40: mixed})
    assert {row["likely"] for row in rows.values() if row["agrees"] is False} == {TRAIN_ALONE}


@pytest.mark.parametrize("val", [TRUE, LATE])
def test_snapshots_after_the_update_are_compared_with_what_was_logged_a_step_later(tmp_path: Path, val: dict) -> None:
    """`val` is logged after the update, as the snapshot, or before it, as train."""
    logged = {name: (LATE if name.startswith("train") else val)[name] for name in TRUE}
    rows, found = checked(tmp_path / "both", {40: logged, 41: TRUE}, training={"updates_ahead": 1})
    assert [row["agrees"] for row in rows.values()] == [True] * 4
    assert rows["train_loss"]["logged"] == pytest.approx(TRUE["train_loss"])
    assert rows["train_loss"]["note"] == "logged at step 41: snapshots are taken after the update"
    rows, found = checked(tmp_path / "last", {40: logged}, training={"updates_ahead": 1})
    for name in ("train_loss", "train_accuracy"):
        assert (rows[name]["agrees"], rows[name]["note"]) == (None, TAKEN_AFTER)
    assert found.fires is (val is LATE), "val may be of the step itself"


def test_a_wrong_seed_fires_after_the_update_too(tmp_path: Path) -> None:
    task = OURS | {"data_seed": SEED + 1}
    _, found = checked(tmp_path, {40: LATE, 41: TRUE}, task=task, training={"updates_ahead": 1})
    assert found.fires


def test_percentages_are_read_as_such(tmp_path: Path) -> None:
    percent = {name: value * (100 if "accuracy" in name else 1) for name, value in TRUE.items()}
    rows, found = checked(tmp_path, {40: percent})
    assert not found.fires
    assert rows["val_accuracy"]["computed"] == pytest.approx(100 * TRUE["val_accuracy"])


def test_what_rounding_adds_to_a_share_makes_no_percentage(tmp_path: Path) -> None:
    rows, found = checked(tmp_path, {40: TRUE, 41: TRUE | {"train_accuracy": 1.0001}})
    assert not found.fires
    assert rows["train_accuracy"]["logged"] == TRUE["train_accuracy"]
    assert rows["train_accuracy"]["agrees"]


OFF = TRUE | {"train_loss": TRUE["train_loss"] * 2, "train_accuracy": TRUE["train_accuracy"] / 4}


@pytest.mark.parametrize(
    ("task", "logged", "notes"),
    [
        (OURS | {"batches": BATCHES}, TRUE, {"train_loss": OF_A_BATCH}),
        ({k: v for k, v in OURS.items() if k != "batches"}, OFF,
         {"train_loss": PERHAPS_OF_A_BATCH, "train_accuracy": PERHAPS_OF_A_BATCH}),
        ({k: v for k, v in OURS.items() if k != "batches"}, TRUE, {}),
        (OURS, {"val_loss": float("nan")},
         {"val_loss": "the logged value is not finite", **dict.fromkeys(set(METRICS) - {"val_loss"}, NOT_LOGGED)}),
        ({"split": "other"}, TRUE, dict.fromkeys(METRICS, "which rows are train is not known: task.split is")),
    ],
)  # fmt: skip
def test_what_cannot_be_told_says_why(tmp_path: Path, task: dict, logged: dict, notes: dict) -> None:
    rows, found = checked(tmp_path, {40: logged}, task=task)
    for name, row in rows.items():
        assert (row["agrees"] is None) is (name in notes), name
        assert (row["note"] or "").startswith(notes.get(name, "")), name
    assert not found.fires
    assert found.compared == len(METRICS) - len(notes)
    if not found.compared:
        assert found.sentence().startswith("Loss check: cannot tell (")


@pytest.mark.parametrize(("dtype", "tolerances"), [("float16", {0.02, 0.005}), ("bfloat16", {0.1, 0.02})])
def test_parameters_in_few_bits_have_more_room(tmp_path: Path, dtype: str, tolerances: set[float]) -> None:
    reduced = {name: value.astype(numpy_dtype(dtype)) for name, value in weights().items()}
    rows, found = checked(tmp_path, params=reduced)
    assert {row["tolerance"] for row in rows.values()} == tolerances
    assert not found.fires


def test_what_agrees_is_not_said_of_what_cannot_be_told(tmp_path: Path) -> None:
    unsaid = {key: value for key, value in OURS.items() if key != "batches"}
    _, found = checked(tmp_path / "right", {40: OFF}, task=unsaid)
    assert found.sentence() == (
        "Loss check: 2 of 4 logged losses and accuracies at 1 snapshot are what the snapshots give when they are run "
        f"again; 2 cannot be told: {PERHAPS_OF_A_BATCH}."
    )
    _, found = checked(tmp_path / "wrong", {40: OFF | {"val_loss": 9.0}}, task=unsaid)
    assert "1 of 4 logged losses and accuracies at 1 snapshot are not what" in found.sentence()
    assert f"again; 2 cannot be told: {PERHAPS_OF_A_BATCH}. Furthest off: val_loss" in found.sentence()


def test_what_was_not_logged_is_not_counted(tmp_path: Path) -> None:
    _, found = checked(tmp_path, {40: {"val_loss": TRUE["val_loss"]}})
    assert found.sentence().startswith("Loss check: all 1 logged losses and accuracies at 1 snapshot are what")


def test_a_run_that_was_not_checked_says_nothing() -> None:
    assert Finding().sentence() == ""
