"""What the training loop tells whatever records it, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import torch

from strobe.train.config import Training
from strobe.train.loop import Trainer
from strobe.train.model import GPT
from strobe.train.model_config import ModelConfig
from strobe.train.recording import Ending
from strobe.train.tasks import ModularAdditionTask


class Notebook:
    """A recording that keeps the calls."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.calls = trainer, list[tuple[Any, ...]]()

    def __enter__(self) -> Self:
        self.calls.append(("enter",))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.calls.append(("exit", kind))

    def log(self, step: int, **metrics: Any) -> None:
        self.calls.append(("log", step, metrics["train_loss"]))

    def snapshot(self, step: int, scalars: Mapping[str, Any] | None = None) -> bool:
        assert scalars is not None
        assert self.trainer.batch is not None
        torch.testing.assert_close(self.trainer.batch, self.trainer.task.batch(step)[0])
        self.calls.append(("snapshot", step, scalars["train_loss"]))
        return True

    def flush(self) -> bool:
        self.calls.append(("flush",))
        return True

    def finish(self, end: Ending, reason: str | None = None) -> None:
        self.calls.append(("finish", end, reason))


def trainer(folder: Path) -> Trainer:
    training = Training(steps=4, batch_size=8, eval_every=2, snapshot_every=3, checkpoint_every=3)
    task = ModularAdditionTask(training, torch.device("cpu"), modulus=5, train_fraction=0.5)
    config = ModelConfig(1, 2, 8, 16, block_size=3, vocab_size=task.vocab_size)
    folder.mkdir()
    return Trainer(folder, GPT(config), task, training, torch.device("cpu"))


def test_the_loop_takes_whatever_records(tmp_path: Path) -> None:
    made = trainer(tmp_path / "run")
    notebook = Notebook(made)
    reported: dict[int, float] = {}
    end = made.run(lambda step, values: reported.update({step: values["train_loss"]}), lambda: notebook)
    assert end == "finished"
    first, last = [("enter",), ("flush",)], [("flush",), ("finish", "finished", None), ("exit", None)]
    steps = [
        *[("snapshot", 0, reported[0]), ("log", 0, reported[0])],
        *[("log", 1, reported[1]), ("log", 2, reported[2]), ("flush",)],
        *[("snapshot", 3, reported[3]), ("log", 3, reported[3])],
        *[("snapshot", 4, reported[4]), ("log", 4, reported[4])],
    ]
    assert notebook.calls == first + steps + last


def test_what_cannot_be_recorded_is_not_trained(tmp_path: Path) -> None:
    def refused() -> Notebook:
        raise OSError("no room")

    made = trainer(tmp_path / "run")
    before = [parameter.clone() for parameter in made.model.parameters()]
    with pytest.raises(OSError, match="no room"):
        made.run(lambda *_: None, refused)
    assert made.step == 0
    assert all(torch.equal(old, new) for old, new in zip(before, made.model.parameters(), strict=True))
