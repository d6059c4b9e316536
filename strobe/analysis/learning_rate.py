"""Schedules of learning rates: the one that nanoGPT's family computes, and where a warm-up ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def warmup_cosine(steps: Floats, *, highest: float, lowest: float, warmup: float, decay_until: float) -> Floats:
    """Rates (n,) at `steps` (n,): highest x (step + 1) / (warmup + 1) below `warmup`, then half a cosine down to
    `lowest` at `decay_until`, and that for ever after (nanoGPT, train.py, get_lr)."""
    rising = highest * (steps + 1) / (warmup + 1)
    share = np.clip((steps - warmup) / max(decay_until - warmup, 1.0), 0, 1)
    falling = lowest + 0.5 * (1 + np.cos(np.pi * share)) * (highest - lowest)
    return np.asarray(np.where(steps < warmup, rising, np.where(steps > decay_until, lowest, falling)))


def warmup_end(steps: Floats, rates: Floats) -> float | None:
    """The first of rising `steps` (n,) with the greatest of `rates` (n,), where the rates before it never fall and
    something follows it; None where there is no such rise, or it has not ended yet."""
    if len(rates) < 3:
        return None
    top = int(np.argmax(rates))
    if top == 0 or top == len(rates) - 1 or (np.diff(rates[: top + 1]) < 0).any():
        return None
    return float(steps[top])
