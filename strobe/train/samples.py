"""What a model writes when it goes on from a few beginnings: the same ones, by the same dice, at every snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from strobe.train.model import GPT, Past

SEED: Final = 7


@dataclass(frozen=True)
class Samples:
    """Continuations of `given` (S, Q) to `length` tokens, each drawn from what the model predicts."""

    model: GPT
    given: Tensor
    length: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.given.shape[0], self.length

    @torch.no_grad()
    def __call__(self) -> Tensor:
        """int32 (S, length), on the CPU. The dice are its own: those of the training are not touched."""
        tokens, past = self.given, Past()
        dice = torch.Generator().manual_seed(SEED)
        logits = self.model(tokens, past=past)[:, -1]
        while True:
            drawn = torch.multinomial(_odds(logits), 1, generator=dice).to(tokens.device)
            tokens = torch.cat([tokens, drawn], 1)
            if tokens.shape[1] >= self.length:
                return tokens.to(torch.int32).cpu()
            logits = self.model(drawn, past=past)[:, -1]


def _odds(logits: Tensor) -> Tensor:
    """Of a model that has diverged nothing can be drawn: token 0 is certain then."""
    odds = torch.softmax(logits.float().cpu(), -1)
    if bool(odds.isfinite().all()):
        return odds
    certain = torch.zeros_like(odds)
    certain[:, 0] = 1
    return certain
