"""A training that never ends by itself, for the tests that kill it."""

from __future__ import annotations

from pathlib import Path

import torch

from strobe.commands.train import recorder_of
from strobe.train.config import Training
from strobe.train.loop import Trainer
from strobe.train.model import GPT
from strobe.train.model_config import ModelConfig
from strobe.train.tasks import ModularAdditionTask


def train(folder: str) -> None:
    """Record every other step into `folder`, from where the last one was killed if there was one."""
    torch.set_num_threads(1)
    device, path = torch.device("cpu"), Path(folder)
    training = Training(steps=10**6, batch_size=32, snapshot_every=2, eval_every=5, checkpoint_every=20, threads=1)
    task = ModularAdditionTask(training, device, modulus=13, train_fraction=0.3)
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "mlp_width": 64}
    model = GPT(ModelConfig(**sizes, block_size=3, vocab_size=task.vocab_size), 0)
    trainer = Trainer(path, model, task, training, device)
    resume = (path / "resume" / "state.pt").exists()
    if resume:
        trainer.resume()
    trainer.run(lambda *_: None, lambda: recorder_of(trainer, resume=resume))
