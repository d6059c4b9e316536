"""When a model began to generalise, and where its validation loss peaked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

THRESHOLD: Final = 0.99
"""Accuracy that counts as learned."""

HOLD: Final = 10
"""Evaluations after the onset for which validation accuracy must stay at or above THRESHOLD."""

LEAST: Final = 3
"""Evaluations that must at least be left for an onset near the end of a run."""


@dataclass(frozen=True)
class Onset:
    """`step` is None where there is no onset, and `reason` then says why."""

    step: int | None
    fitted: int | None
    """First step with train accuracy >= THRESHOLD."""
    relapses: tuple[int, ...] = ()
    """Later steps at which validation accuracy falls below THRESHOLD; they do not move the onset."""
    reason: str = ""


@dataclass(frozen=True)
class Peak:
    """`step` is None where no loss is finite, and `reason` then says so."""

    step: int | None
    value: float
    fallen: int | None
    """First step after the peak at which the loss is at most 20% of it."""
    reason: str = ""


def _columns(steps: ArrayLike, *values: ArrayLike) -> list[NDArray[np.float64]]:
    arrays = [np.asarray(column, dtype=np.float64) for column in (steps, *values)]
    if any(a.ndim != 1 or len(a) != len(arrays[0]) for a in arrays):
        raise ValueError(f"columns must be of one length, got shapes {[a.shape for a in arrays]}")
    order = np.argsort(arrays[0], kind="stable")
    return [a[order] for a in arrays]


def grokking_onset(steps: ArrayLike, train_accuracy: ArrayLike, val_accuracy: ArrayLike) -> Onset:
    """The first step after train accuracy first reaches 0.99 at which validation accuracy >= 0.99 and stays so for
    the next 10 evaluations, or for all that are left if those are at least 3.

    All three are one-dimensional and of one length n; a step is an evaluation where validation accuracy is known
    (not NaN), so a train accuracy that was written more often does no harm. Raises ValueError on unequal lengths.
    """
    s, train, val = _columns(steps, train_accuracy, val_accuracy)
    evaluated = np.flatnonzero(~np.isnan(val))
    if not len(evaluated):
        return Onset(None, None, reason="validation accuracy was not recorded")
    learned = np.flatnonzero(train >= THRESHOLD)
    if not len(learned):
        return Onset(None, None, reason=f"train accuracy never reached {THRESHOLD}")
    fitted = int(s[learned[0]])
    after = evaluated[s[evaluated] > fitted]
    good = val[after] >= THRESHOLD
    for k in np.flatnonzero(good):
        following = good[k + 1 : k + 1 + HOLD]
        if len(following) >= LEAST and following.all():
            falls = np.flatnonzero(~good[k + 1 :] & np.concatenate(([True], good[k + 1 : -1]))) + k + 1
            return Onset(int(s[after[k]]), fitted, tuple(int(s[after[j]]) for j in falls))
    why = f"validation accuracy never stayed at {THRESHOLD} for {HOLD} evaluations"
    return Onset(None, fitted, reason=why if good.any() else f"validation accuracy never reached {THRESHOLD}")


def loss_peak(steps: ArrayLike, val_loss: ArrayLike) -> Peak:
    """The largest finite validation loss, and the first later step at which the loss is 80% below it.

    Both are one-dimensional and of one length; the unit of `value` is that of the loss. Raises ValueError on
    unequal lengths.
    """
    s, loss = _columns(steps, val_loss)
    if not np.isfinite(loss).any():
        return Peak(None, float("nan"), None, "no validation loss is finite" if len(loss) else "not recorded")
    top = int(np.argmax(np.where(np.isfinite(loss), loss, -np.inf)))
    low = np.flatnonzero(loss[top + 1 :] <= 0.2 * loss[top])
    fallen = int(s[top + 1 + low[0]]) if len(low) and loss[top] > 0 else None
    return Peak(int(s[top]), float(loss[top]), fallen)
