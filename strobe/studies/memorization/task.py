"""Learning passages by heart: batches of whole passages, in another order every epoch, padding out of the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from strobe.studies.memorization.passages import Passages
from strobe.train.model import GPT

NO_TARGET: Final = -100
"""Where a row has no next token: the loss and its mean leave it out."""


def padded(passages: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """(tokens (B, T), targets (B, T)) of whole passages: each target is the next token, NO_TARGET at a passage's last
    one and behind it. T is the longest passage of these."""
    longest = max(map(len, passages))
    tokens = np.zeros((len(passages), longest), np.int64)
    targets = np.full((len(passages), longest), NO_TARGET, np.int64)
    for row, passage in enumerate(passages):
        tokens[row, : len(passage)] = passage
        targets[row, : len(passage) - 1] = passage[1:]
    return torch.from_numpy(tokens).to(device), torch.from_numpy(targets).to(device)


class PassagesTask:
    """A task of the training loop (`strobe.train.tasks.Task`). An epoch is one pass over the trained passages; its
    last batch may be smaller. Step s always has the same batch."""

    def __init__(self, passages: Passages, *, batch_size: int, seed: int, device: torch.device) -> None:
        self.passages, self.rows, self.seed, self.device = passages, batch_size, seed, device
        self.vocab_size, self.block_size = passages.vocab_size, passages.longest
        self.steps_per_epoch = math.ceil(passages.trained / batch_size)
        own = sum(len(passage) - 1 for passage in passages.tokens[: passages.trained])
        self.tokens_per_step = round(own / self.steps_per_epoch)
        """The mean over an epoch, rounded: passages differ in length."""

    def chosen(self, step: int) -> list[int]:
        """The trained passages of the batch at `step`, by number."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, 2, epoch]).permutation(self.passages.trained)
        return [int(number) for number in order[place * self.rows : (place + 1) * self.rows]]

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        return padded([self.passages.tokens[number] for number in self.chosen(step)], self.device)

    def loss(self, model: GPT, tokens: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), ignore_index=NO_TARGET)

    @torch.no_grad()
    def evaluate(self, model: GPT) -> dict[str, float]:
        """Next-token accuracy of both groups, and the loss of the novel one, passages given as they are."""
        groups = {
            "train": self.passages.tokens[: self.passages.trained],
            "val": self.passages.tokens[self.passages.trained :],
        }
        found = {name: self._over(model, group) for name, group in groups.items()}
        accuracies = {f"{name}_accuracy": accuracy for name, (_, accuracy) in found.items()}
        return {"val_loss": found["val"][0], **accuracies}

    def _over(self, model: GPT, group: Sequence[Sequence[int]]) -> tuple[float, float]:
        total, right, seen = 0.0, 0, 0
        for first in range(0, len(group), 16):
            tokens, targets = padded(group[first : first + 16], self.device)
            logits = model(tokens)
            flat = logits.flatten(0, 1).double()
            total += float(F.cross_entropy(flat, targets.flatten(), ignore_index=NO_TARGET, reduction="sum"))
            right += int((logits.argmax(-1) == targets).sum())
            seen += int((targets != NO_TARGET).sum())
        return total / seen, right / seen

    def probe(self) -> Tensor:
        return torch.tensor(self.passages.probes, device=self.device)

    def samples(self, model: GPT) -> None:
        """None: the study measures continuations of its passages itself."""

    def entry(self) -> dict[str, Any]:
        return {
            "kind": "memorization",
            "passages": len(self.passages.tokens),
            "trained_passages": self.passages.trained,
            "steps_per_epoch": self.steps_per_epoch,
            "data_seed": self.seed,
            "split_names": {"val": "novel"},
        }
