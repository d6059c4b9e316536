"""`--schedule auto`: snapshots where loss or weights have moved, the same after an interruption."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from etl.run.folder import Run
from strobe.commands.train import recorder_of
from strobe.train.config import Training
from strobe.train.loop import Trainer
from strobe.train.model import GPT
from strobe.train.model_config import ModelConfig
from strobe.train.movement import Movement
from strobe.train.schedule import is_auto, snapshot_steps
from strobe.train.tasks import ModularAdditionTask

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def train(folder: Path, schedule: str, *, resume: bool = False, stop_at: int | None = None) -> list[int]:
    """The steps that were recorded of 40, evaluated every second one."""
    training = Training(
        steps=40, learning_rate=1e-2, batch_size=16, eval_every=2, snapshot_every=None, schedule=schedule
    )
    task = ModularAdditionTask(training, CPU, modulus=7, train_fraction=0.5)
    config = ModelConfig(n_layer=1, n_head=2, n_embd=16, mlp_width=32, block_size=3, vocab_size=task.vocab_size)
    made = Trainer(folder, GPT(config, training.model_seed), task, training, CPU)
    if resume:
        made.resume()

    def report(step: int, _: dict[str, float]) -> None:
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    made.run(report, lambda: recorder_of(made, resume=resume))
    return Run(folder).steps()


def replayed(folder: Path) -> list[int]:
    """The steps that the rule picks of a run that was recorded at every evaluation, from its files."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    loss = {row["step"]: row["val_loss"] for row in rows if "val_loss" in row}
    picked: list[int] = []
    since = (math.nan, math.nan)
    for step in Run(folder).steps():
        snapshot = Run(folder).at(step)
        parameters = [snapshot[name] for name in snapshot.names if name.startswith("params/")]
        norm = math.sqrt(sum(float(np.square(np.float64(array)).sum()) for array in parameters))
        moved = loss[step] <= 0.95 * since[0] or abs(norm / since[1] - 1) >= 0.02
        if step in (0, 40) or moved:
            picked.append(step)
            since = (loss[step], norm)
    return picked


def test_the_steps_are_those_at_which_loss_or_weights_have_moved(tmp_path: Path) -> None:
    train(tmp_path / "dense", "0-40/2")
    recorded = train(tmp_path / "auto", "auto")
    assert recorded == replayed(tmp_path / "dense")
    assert 3 < len(recorded) < 21


def test_an_interruption_changes_no_step(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", "auto")
    train(tmp_path / "parts", "auto", stop_at=whole[2] + 1)
    assert train(tmp_path / "parts", "auto", resume=True) == whole


def test_ranges_stand_beside_it() -> None:
    assert [is_auto(text) for text in ("auto", "0-9/3, auto", "0-9/3", None)] == [True, True, False, False]
    assert snapshot_steps(10, every=None, schedule="auto") == {0, 10}
    assert snapshot_steps(10, every=None, schedule="0-9/3,auto") == {0, 3, 6, 9, 10}


@pytest.mark.parametrize(
    ("loss", "norm", "far"),
    [(0.951, 10.0, False), (0.95, 10.0, True), (2.0, 10.19, False), (2.0, 10.21, True), (2.0, 9.79, True),
     (math.nan, 10.0, False), (math.inf, math.nan, False)],
)  # fmt: skip
def test_either_is_enough_and_what_is_no_number_is_not(loss: float, norm: float, far: bool) -> None:
    assert Movement((1.0, 10.0)).is_far(loss, norm) is far
    assert Movement().is_far(loss, norm)
