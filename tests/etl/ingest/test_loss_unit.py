"""Nats are the unit of a loss that is known to be a cross-entropy, and of no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etl.ingest.load import ingest
from etl.ingest.loss_unit import loss_unit, unit_by_settings
from etl.store.catalogue import Store
from strobe.record import Recorder


@pytest.mark.parametrize(
    ("manifest", "unit"),
    [
        ({}, None),
        ({"training": {"loss": "mse"}}, None),
        ({"training": {"criterion": "CrossEntropyLoss()"}}, "nats"),
        ({"task": {"kind": "modular_addition"}}, "nats"),
        ({"task": {"kind": "text"}}, "nats"),
        ({"task": {"kind": "image classification"}}, "nats"),
        ({"task": {"kind": "image classification"}, "training": {"loss_fn": "hinge"}}, None),
        ({"task": {"kind": "regression"}}, None),
        ({"model": {"family": "gpt2"}}, "nats"),
        ({"snapshot": {"tensors": [{"role": "token_embedding"}, {"role": "unembedding"}]}}, "nats"),
        ({"snapshot": {"tensors": [{"role": "token_embedding"}]}}, None),
        ({"model": {"tied_embeddings": True}, "snapshot": {"tensors": [{"role": "token_embedding"}]}}, "nats"),
    ],
)
def test_what_tells_the_unit(manifest: dict[str, Any], unit: str | None) -> None:
    assert loss_unit(manifest) == unit


@pytest.mark.parametrize(
    ("settings", "unit"),
    [
        ({}, None),
        ({"lr": 0.1, "n_layer": 4}, None),
        ({"block_size": 1024, "n_layer": 4}, "nats"),
        ({"vocab_size": 50257, "criterion": "mse"}, None),
        ({"vocab_size": "many"}, None),
        ({"loss": "cross_entropy"}, "nats"),
    ],
)
def test_what_settings_beside_a_log_tell(settings: dict[str, Any], unit: str | None) -> None:
    assert unit_by_settings(settings) == unit


@pytest.mark.parametrize(("training", "unit"), [({}, None), ({"loss": "cross_entropy"}, "nats")])
def test_the_catalogue_has_it(tmp_path: Path, training: dict[str, str], unit: str | None) -> None:
    with Recorder(tmp_path / "run", [], training=training) as recorder:
        for step in range(3):
            recorder.log(step, train_loss=1.0, val_loss=2.0, step_time_ms=3.0)
            recorder.flush()
            ingest([tmp_path / "run"], tmp_path / "store")
    rows = Store(tmp_path / "store").sql("SELECT name, unit FROM metrics").to_pylist()
    found = {row["name"]: row["unit"] for row in rows}
    assert found == {"train_loss": unit, "val_loss": unit, "step_time_ms": "ms"}


def test_a_language_models_log_is_in_nats(tmp_path: Path) -> None:
    (tmp_path / "main.log").write_text("".join(f"s:{k} trl:{5 - k:.1f} lr:1.0e-03 norm:2.0\n" for k in range(3)))
    ingest([tmp_path / "main.log"], tmp_path / "store")
    rows = Store(tmp_path / "store").sql("SELECT unit FROM metrics WHERE name = 'train_loss'").to_pylist()
    assert rows == [{"unit": "nats"}]
