"""Metrics under the names of other tools: what they are stored as, and what becomes of two that are one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.ingest.names import alias, chosen
from etl.run.journal import METRICS
from etl.store.catalogue import Store
from strobe.record import Recorder


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("loss", "train_loss"), ("train/loss", "train_loss"), ("Loss/train", "train_loss"),
        ("train_loss_step", "train_loss"), ("eval_loss", "val_loss"), ("validation/loss", "val_loss"),
        ("valid-loss", "val_loss"), ("lr", "learning_rate"), ("train/learning_rate", "learning_rate"),
        ("eval_accuracy", "val_accuracy"), ("acc", "train_accuracy"), ("train/grad_norm", "grad_norm"),
        ("test_loss", "test_loss"), ("kl_loss", "kl_loss"), ("train_loss_epoch", "train_loss_epoch"),
        ("train_loss", "train_loss"),
    ],
)  # fmt: skip
def test_the_names_of_common_tools(name: str, stored: str) -> None:
    assert alias(name) == stored


def test_the_first_of_two_has_the_name_and_what_is_called_so_goes_before_both() -> None:
    assert chosen(["loss", "train/loss", "lr"], {}, {}) == {"loss": "train_loss", "lr": "learning_rate"}
    assert chosen(["loss", "train_loss"], {}, {}) == {"train_loss": "train_loss"}
    assert chosen(["train/loss"], {"loss": "train_loss"}, {}) == {"loss": "train_loss"}
    assert chosen(["mine"], {}, {"mine": "val_loss"}) == {"mine": "val_loss"}


def recorded(folder: Path, lines: list[dict[str, Any]], **options: Any) -> Path:
    with Recorder(folder, [("w", "params", ["one"], np.ones(1))], **options) as recorder:
        recorder.snapshot(0)
    written(folder, lines)
    return folder


def written(folder: Path, lines: list[dict[str, Any]]) -> None:
    with (folder / METRICS).open("a") as file:
        file.writelines(json.dumps({"time": 1.0, **line}) + "\n" for line in lines)


def series(store: Path) -> dict[tuple[str, str], list[float]]:
    """(name, source_name) -> the values in the order of steps."""
    rows = Store(store).sql(
        "SELECT name, source_name, list(value ORDER BY step) AS v FROM scalars JOIN metrics USING (run, name) "
        "WHERE name <> 'recorder_ms' GROUP BY ALL"
    )
    return {(row["name"], row["source_name"]): row["v"] for row in rows.to_pylist()}


def test_a_log_is_stored_under_our_names_and_keeps_its_own_beside_them(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", [{"step": 1, "loss": 3.0, "eval/loss": 4.0}])
    ingest([run], tmp_path / "store")
    written(run, [{"step": 2, "loss": 2.0, "train/loss": 9.0}])
    ingest([run], tmp_path / "store")
    due = {("train_loss", "loss"): [3.0, 2.0], ("val_loss", "eval/loss"): [4.0], ("train/loss", "train/loss"): [9.0]}
    assert series(tmp_path / "store") == due
    ingest([run], tmp_path / "other")
    assert series(tmp_path / "other") == due


def test_a_metric_that_is_called_so_itself_takes_its_name_back(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", [{"step": 1, "loss": 3.0}])
    ingest([run], tmp_path / "store")
    written(run, [{"step": 2, "loss": 2.0, "train_loss": 9.0}])
    ingest([run], tmp_path / "store")
    due = {("loss", "loss"): [3.0, 2.0], ("train_loss", "train_loss"): [9.0]}
    assert series(tmp_path / "store") == due
    ingest([run], tmp_path / "other")
    assert series(tmp_path / "other") == due


def test_a_run_says_otherwise(tmp_path: Path) -> None:
    names = {"my/nll": "val_loss", "loss": "loss"}
    run = recorded(tmp_path / "run", [{"step": 1, "loss": 3.0, "my/nll": 4.0}], metric_names=names)
    ingest([run], tmp_path / "store")
    assert series(tmp_path / "store") == {("loss", "loss"): [3.0], ("val_loss", "my/nll"): [4.0]}
