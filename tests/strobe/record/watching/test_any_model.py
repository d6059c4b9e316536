"""Many kinds of models from one line to every page: recorded, ingested, analysed, and opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import strobe
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.cli import app
from tests.support.any_models import MODELS
from tests.support.every_page import open_every_page
from tests.support.watched import faults, steps, trained

OF_HUGGING_FACE = {"gpt2", "llama", "bert", "mixtral", "vit", "lora"}
ATTENDS = OF_HUGGING_FACE | {"encoder", "compiled", "autocast"}
pytestmark = pytest.mark.filterwarnings("default")


def record(name: str, folder: Path, *, rich: bool) -> list[float]:
    """Five steps of a model under `strobe.watch(model, optimizer)`, or `rich`, with all that there is to record."""
    if name in OF_HUGGING_FACE:
        pytest.importorskip("transformers")
    if name == "lora":
        pytest.importorskip("peft")
    torch.manual_seed(0)
    model, probe, loss = MODELS[name]()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    everything = {"log": ("params", "grads", "optimizer", "activations", "attention"), "probe": probe}
    with strobe.watch(model, optimizer, folder, every=1, **(everything if rich else {})) as run:
        losses = trained(model, optimizer, lambda _: loss(model), 5)
        for step, value in enumerate(losses):
            run.log({"loss": value}, step=step)
        assert run.status.missed == run.status.skipped == 0, run.status
    return losses


@pytest.mark.parametrize("name", ["lstm", "moe"])
def test_one_line_records_it(tmp_path: Path, name: str) -> None:
    record(name, tmp_path / name, rich=True)
    assert steps(tmp_path / name) == [0, 1, 2, 3, 4, 5]
    assert faults(tmp_path / name) == []


@pytest.mark.slow
@pytest.mark.parametrize("rich", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_it_is_recorded_ingested_analysed_and_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, rich: bool
) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    record(name, tmp_path / name, rich=rich)
    assert steps(tmp_path / name) == [0, 1, 2, 3, 4, 5]
    assert faults(tmp_path / name) == []
    sections = {
        t["section"] for t in json.loads((tmp_path / name / "manifest.json").read_text())["snapshot"]["tensors"]
    }
    assert ("attention" in sections) == (rich and name in ATTENDS)
    store = tmp_path / "store"
    ingest([tmp_path / name], store)
    rows = Store(store).sql("SELECT count(DISTINCT step) AS n FROM tensors WHERE section = 'grads'").to_pylist()
    assert rows == [{"n": 5}]
    told = Store(store).sql("SELECT source_name FROM metrics WHERE name = 'train_loss'").to_pylist()
    assert told == [{"source_name": "loss"}]
    done: Any = CliRunner().invoke(app, ["analyze", name, "--store", str(store)])
    assert done.exit_code == 0, done.output
    open_every_page(monkeypatch, store, name)
