"""Greedy continuation of many passages at once, a token of each at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from strobe.studies.memorization.task import padded
from strobe.train.model import GPT, Past


@torch.no_grad()
def continued(
    model: GPT, passages: Sequence[Sequence[int]], given: Sequence[int], device: torch.device
) -> list[list[int]]:
    """Of each passage, as many tokens as it has after its first `given`, each the likeliest after all before it."""
    made: list[list[int]] = []
    for first in range(0, len(passages), 64):
        made += _batch(model, passages[first : first + 64], given[first : first + 64], device)
    return made


def _batch(
    model: GPT, passages: Sequence[Sequence[int]], given: Sequence[int], device: torch.device
) -> list[list[int]]:
    tokens, _ = padded(passages, device)
    until, past = torch.tensor(given, device=device), Past()
    for place in range(1, tokens.shape[1]):
        likeliest = model(tokens[:, place - 1 : place], past=past)[:, -1].argmax(-1)
        tokens[:, place] = torch.where(until <= place, likeliest, tokens[:, place])
    rows = zip(tokens.tolist(), given, passages, strict=True)
    return [row[start : len(passage)] for row, start, passage in rows]
