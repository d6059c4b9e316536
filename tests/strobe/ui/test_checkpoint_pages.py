"""Pages of a run that is made of checkpoints: they show its weights, and say what checkpoints never hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from etl.ingest.load import ingest
from strobe.cli import app
from tests.support.checkpoints import safetensors
from tests.support.inside import opened, text_of

ORIGIN = "Its snapshots are checkpoints, taken after an update: no gradients, attention or activations are in them."


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    (tmp_path / "mine").mkdir()
    for epoch in (1, 2):
        matrix = np.random.default_rng(epoch).normal(size=(6, 4)).astype(np.float32)
        tensors = {"layers.0.mlp.fc1.weight": matrix, "embed_tokens.weight": matrix[:, :3]}
        (tmp_path / "mine" / f"epoch_{epoch}.safetensors").write_bytes(safetensors(tensors))
    ingest([tmp_path / "mine"], tmp_path / "store")
    return tmp_path / "store"


def test_pages_say_what_checkpoints_lack(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"{ORIGIN} Their steps are epochs." in text_of(opened("runs", monkeypatch, store, run="mine"))
    assert "nothing of a step: no attention." in text_of(opened("attention", monkeypatch, store, run="mine"))
    weights = text_of(opened("weights", monkeypatch, store, run="mine"))
    assert "6 rows (outputs) by 4 columns (inputs)" in weights


def test_the_command_line_says_it(store: Path) -> None:
    shown = CliRunner().invoke(app, ["show", "mine", "--store", str(store)]).stdout
    assert f"2 on this machine from step 1 to 2. {ORIGIN} Their steps are epochs." in shown
