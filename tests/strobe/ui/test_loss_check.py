"""A log that its snapshots contradict, and a split that is not known, where people read of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.cli import app
from strobe.derive.filling.deriver import Deriver
from tests.support.adding import log
from tests.support.inside import opened, text_of
from tests.support.planted import ADDING, run_folder


def analysed(folder: Path, loss: float | None = None, task: dict = ADDING) -> Path:
    """A store of the planted run, whose loss is ln 14 = 2.639 everywhere, with that loss in its log."""
    run = run_folder(folder / "planted", task=task)
    if loss is not None:
        log(run, {step: {"val_loss": loss} for step in (0, 100, 200)})
    ingest([run], folder / "store")
    store = Store(folder / "store")
    Deriver(store, store.run("planted")).fill()
    return folder / "store"


def words(page: str, monkeypatch: pytest.MonkeyPatch, store: Path) -> str:
    return text_of(opened(page, monkeypatch, store, run="planted")).replace("\\", "")


WRONG = "3 of 3 logged losses and accuracies at 3 snapshots are not what the snapshots give when they are run again."


@pytest.mark.parametrize("page", ["fourier", "runs"])
def test_a_log_that_disagrees_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: str) -> None:
    text = words(page, monkeypatch, analysed(tmp_path, 0.5))
    assert WRONG in text
    assert "val_loss at step 0: logged 0.500, recomputed 2.64 (tolerance 2% of the larger)." in text
    assert ("Doubtful: the loss check disagrees." in text) is (page == "fourier")


def test_a_log_that_agrees_is_said_beside_the_measures_and_on_no_card(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = analysed(tmp_path, 2.639)
    assert "Loss check: all 3 logged losses and accuracies at 3 snapshots are what" in words(
        "fourier", monkeypatch, store
    )
    assert "Loss check" not in words("runs", monkeypatch, store)
    assert "oubtful" not in words("fourier", monkeypatch, store)


def test_what_cannot_be_told_is_said_on_the_card_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = run_folder(tmp_path / "planted")
    log(run, {step: {"val_loss": 2.639, "train_loss": 9.0} for step in (0, 100, 200)})
    ingest([run], tmp_path / "store")
    Deriver(Store(tmp_path / "store"), Store(tmp_path / "store").run("planted")).fill(["progress", "loss_check"])
    text = words("runs", monkeypatch, tmp_path / "store")
    assert "3 of 6 logged losses and accuracies at 3 snapshots are what the snapshots give" in text
    assert "3 cannot be told: it differs, and may be of a minibatch" in text


def test_the_command_line_has_it_too(tmp_path: Path) -> None:
    store = analysed(tmp_path, 0.5)
    said = CliRunner().invoke(app, ["show", "planted", "--store", str(store)])
    assert f"loss check       {WRONG} Furthest off: val_loss at step 0: logged 0.500" in said.output
    as_json = CliRunner().invoke(app, ["show", "planted", "--store", str(store), "--json"])
    assert '"disagreements": [{"step": 0, "metric": "val_loss", "logged": 0.5, "computed": 2.639' in as_json.output


def test_the_command_line_says_why_a_model_cannot_be_run(tmp_path: Path) -> None:
    ingest([run_folder(tmp_path / "planted", task=ADDING | {"modulus": 9999})], tmp_path / "store")
    said = CliRunner().invoke(app, ["show", "planted", "--store", str(tmp_path / "store")])
    assert "loss check       cannot be done: " in said.output
    assert "do not hold 9999 residues" in said.output


def test_a_language_model_has_no_word_of_the_loss_check(tmp_path: Path) -> None:
    ingest([run_folder(tmp_path / "planted", task={"kind": "text"})], tmp_path / "store")
    said = CliRunner().invoke(app, ["show", "planted", "--store", str(tmp_path / "store")])
    assert "loss check" not in said.output


def test_a_split_that_is_not_known_is_said_and_the_rest_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unknown = {name: value for name, value in ADDING.items() if name != "split"}
    text = words("fourier", monkeypatch, analysed(tmp_path, 0.5, unknown))
    reason = "which rows are train is not known: the manifest has no task.split"
    assert f"over all inputs. Train and test losses are not known: {reason}" in text
    assert f"No phases: {reason}" in text
    assert f"Not known: {reason}" in text, "in place of the excluded loss of each key"
    assert "Loss check: cannot tell (" in text
    assert "6 of 6 neurons specialise" in text
    assert "Sparsity in frequency" in text
    assert f"Over all inputs, for the losses of train and test are not known: {reason}" in text
    assert "No loss (nats) to draw" not in text
