"""The log that lies beside checkpoints joins their run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from etl.ingest.find import find
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from tests.support.checkpoints import safetensors


def line(step: int) -> str:
    """A line of llm.c's log; the loss is 9 less the step."""
    return f"s:{step} trl:{9 - step:.1f} lr:1.0e-03 norm:2.0\n"


LLMC = "s:0 tel:9.5\n" + line(0) + line(2)


def checkpoint(path: Path, value: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(safetensors({"w": np.full(3, value, np.float32)}))


def trainer(folder: Path, step: int) -> None:
    """What Hugging Face's Trainer leaves at a step."""
    checkpoint(folder / f"checkpoint-{step}" / "model.safetensors", step)
    history = [
        {"step": each, "loss": 9.0 - each, "learning_rate": 0.1, "epoch": each / 4} for each in range(1, step + 1)
    ]
    state = {"global_step": step, "log_history": history}
    (folder / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps(state))


def losses(store: Path) -> list[tuple[int, float]]:
    rows = Store(store).sql("SELECT step, value FROM scalars WHERE name = 'train_loss' ORDER BY step").to_pylist()
    return [(row["step"], row["value"]) for row in rows]


def test_the_trainers_history_joins_and_grows(tmp_path: Path) -> None:
    for step in (2, 4):
        trainer(tmp_path / "run", step)
        (report,) = ingest([tmp_path], tmp_path / "store")
        assert (report.run, report.snapshots, report.lost) == ("run", 1, [])
        assert losses(tmp_path / "store") == [(each, 9.0 - each) for each in range(1, step + 1)]
    (report,) = ingest([tmp_path / "run"], tmp_path / "store")
    assert not report.changed


def test_a_log_in_text_joins(tmp_path: Path) -> None:
    for step in (0, 2):
        checkpoint(tmp_path / "run" / f"model_{step:05d}.safetensors", step)
    (tmp_path / "run" / "main.log").write_text(LLMC)
    assert [recording.source for recording in find(tmp_path)] == ["checkpoints"]
    ingest([tmp_path / "run"], tmp_path / "store")
    assert losses(tmp_path / "store") == [(0, 9.0), (2, 7.0)]
    (tmp_path / "run" / "main.log").write_text(LLMC + line(3))
    (report,) = ingest([tmp_path / "run"], tmp_path / "store")
    assert report.metrics == 3
    assert losses(tmp_path / "store") == [(0, 9.0), (2, 7.0), (3, 6.0)]


@pytest.mark.parametrize(
    ("name", "log"),
    [("epoch_1.safetensors", LLMC), ("step1.safetensors", LLMC + line(4) + line(20) + line(4) + line(6))],
    ids=["names count epochs", "restarts"],
)
def test_a_log_that_does_not_fit_is_a_run_of_its_own(name: str, log: str, tmp_path: Path) -> None:
    checkpoint(tmp_path / "run" / name, 1)
    (tmp_path / "run" / "main.log").write_text(log)
    assert sorted(recording.source for recording in find(tmp_path)) == ["checkpoints", "llmc_log"]
