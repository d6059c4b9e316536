"""What is learned: batches and losses of modular addition, and of the bytes of a text."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from strobe.analysis.tasks import BATCHES, SPLIT, batch_rows, modular_addition
from strobe.train.config import LONGEST_SAMPLE, SAMPLES, ConfigError, Training, check_text
from strobe.train.model import GPT
from strobe.train.samples import Samples

_EVALUATION_ROWS = 4096
_PROBE_ROWS = 16
_GIVEN = 24


class Task(Protocol):
    """A source of batches. Step s always has the same batch, so a resumed run needs no saved position."""

    vocab_size: int
    block_size: int
    tokens_per_step: int

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """(tokens (B, T), targets) of the gradient at `step`."""

    def loss(self, model: GPT, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats."""

    def evaluate(self, model: GPT) -> dict[str, float]:
        """val_loss and whichever accuracies the task has, of the parameters as they are."""

    def probe(self) -> Tensor:
        """The sequences (<= 16, T) whose attention is recorded."""

    def samples(self, model: GPT) -> Samples | None:
        """What the model writes at a snapshot; None where there is nothing to be written."""

    def entry(self) -> dict[str, Any]:
        """The manifest's `task`."""


class ModularAdditionTask:
    """a + b mod p from [a, b, =], on the last position; splits and batches as docs/tasks.md gives them."""

    block_size = 3

    def __init__(self, training: Training, device: torch.device, *, modulus: int, train_fraction: float) -> None:
        self.training, self.train_fraction = training, train_fraction
        try:
            self.data = modular_addition(modulus, train_fraction, training.data_seed)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        self.vocab_size = self.data.vocab_size
        self.inputs = torch.from_numpy(self.data.inputs).long().to(device)
        self.labels = torch.from_numpy(self.data.labels).long().to(device)
        self.splits = {
            "train": torch.from_numpy(self.data.train_index).to(device),
            "val": torch.from_numpy(self.data.val_index).to(device),
        }
        rows = training.batch_size if training.batch_size is not None else len(self.data.train_index)
        self.tokens_per_step = rows * self.block_size
        self.dtype = getattr(torch, training.loss_dtype)
        self._full = (self.inputs[self.splits["train"]], self.labels[self.splits["train"]])

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        if self.training.batch_size is None:
            return self._full
        rows = self.data.batch(self.training.data_seed, step, self.training.batch_size)
        index = torch.from_numpy(rows).to(self.inputs.device)
        return self.inputs[index], self.labels[index]

    def loss(self, model: GPT, tokens: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(model(tokens, last_only=True).to(self.dtype), targets)

    @torch.no_grad()
    def evaluate(self, model: GPT) -> dict[str, float]:
        parts = [model(rows, last_only=True).double() for rows in torch.split(self.inputs, _EVALUATION_ROWS)]
        logits = torch.cat(parts)
        right = (logits.argmax(-1) == self.labels).double()
        val = self.splits["val"]
        return {
            "val_loss": float(F.cross_entropy(logits[val], self.labels[val])),
            **{f"{name}_accuracy": float(right[index].mean()) for name, index in self.splits.items()},
        }

    def probe(self) -> Tensor:
        rows = [np.asarray(index.cpu())[: _PROBE_ROWS // 2] for index in self.splits.values()]
        return self.inputs[torch.from_numpy(np.concatenate(rows)).to(self.inputs.device)]

    def samples(self, model: GPT) -> None:
        """None: sums are not written on."""

    def entry(self) -> dict[str, Any]:
        return {
            "kind": "modular_addition",
            "modulus": self.data.modulus,
            "train_fraction": self.train_fraction,
            "data_seed": self.training.data_seed,
            "split": SPLIT,
            "batches": BATCHES if self.training.batch_size is not None else "full",
            "token_names": [*map(str, range(self.data.modulus)), "="],
            "split_names": {"val": "test"},
        }


class TextTask:
    """The bytes of a file, next-byte prediction; the last tenth is the validation split."""

    vocab_size = 256

    def __init__(self, training: Training, device: torch.device, *, path: Path, block_size: int) -> None:
        self.rows = check_text(path, training, block_size)
        try:
            data = np.fromfile(path, np.uint8)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a text file") from None
        cut = data.size * 9 // 10
        self.training, self.block_size, self.path, self.bytes = training, block_size, path, int(data.size)
        self.crc32 = zlib.crc32(data.data)
        self.train, self.val = (torch.from_numpy(part).to(device) for part in (data[:cut], data[cut:]))
        self.tokens_per_step = self.rows * block_size

    def _windows(self, source: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        window = source[starts[:, None] + torch.arange(self.block_size + 1, device=source.device)].long()
        return window[:, :-1], window[:, 1:]

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        places = len(self.train) - self.block_size
        starts = torch.from_numpy(batch_rows(places, self.training.data_seed, step, self.rows))
        return self._windows(self.train, starts.to(self.train.device))

    def loss(self, model: GPT, tokens: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())

    @torch.no_grad()
    def evaluate(self, model: GPT) -> dict[str, float]:
        """Over up to 64 windows spread evenly over the validation split."""
        count = min(64, (len(self.val) - 1) // self.block_size)
        starts = torch.linspace(0, len(self.val) - self.block_size - 1, count, device=self.val.device).long()
        total, right, seen = 0.0, 0, 0
        for part in torch.split(starts, self.rows):
            tokens, targets = self._windows(self.val, part)
            logits = model(tokens).flatten(0, 1)
            total += float(F.cross_entropy(logits.double(), targets.flatten(), reduction="sum"))
            right += int((logits.argmax(-1) == targets.flatten()).sum())
            seen += targets.numel()
        loss = total / seen if seen else math.nan
        return {"val_loss": loss, "val_accuracy": right / seen if seen else math.nan}

    def probe(self) -> Tensor:
        count, length = 4, min(self.block_size, 64)
        starts = torch.linspace(0, len(self.val) - length - 1, count, device=self.val.device).long()
        return self.val[starts[:, None] + torch.arange(length, device=self.val.device)].long()

    @property
    def _given(self) -> int:
        """How many bytes a sample is given: a quarter of it where the context is short."""
        return max(1, min(_GIVEN, self.block_size // 4))

    def samples(self, model: GPT) -> Samples | None:
        starts = torch.linspace(0, len(self.val) - self._given - 1, SAMPLES, device=self.val.device).long()
        given = self.val[starts[:, None] + torch.arange(self._given, device=self.val.device)].long()
        return Samples(model, given, min(self.block_size, LONGEST_SAMPLE))

    def entry(self) -> dict[str, Any]:
        return {
            "kind": "text",
            "file": self.path.name,
            "bytes": self.bytes,
            "crc32": self.crc32,
            "split": "last-tenth",
            "data_seed": self.training.data_seed,
            "batches": BATCHES,
            "sample_given": self._given,
        }
