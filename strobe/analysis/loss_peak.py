"""Where a loss peaked, and where it rebounds after its minimum: only what stands out of the series' own noise.

The rule is ours. Everything is judged on log10 of the loss, since the noise of a loss grows with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

WINDOW: Final = 11
"""Evaluations in the running median that rises and falls are judged on; 5 to 9 in a series of fewer than 40."""

LEAST: Final = 20
"""Evaluations with a positive finite loss below which noise and movement cannot be told apart."""

NOISES: Final = 12.0
"""Standard deviations of the noise about the running median that a rise, and a fall, must exceed."""

MEMORY: Final = 4.0
"""The most by which noise may count for more because it is larger about a slower median, as noise with memory is."""

FACTOR: Final = 1.05
"""The factor that they must exceed however still the series is."""

SPIKE: Final = 4.0

FALLEN: Final = 0.2
"""The share of its peak down to which the loss is followed."""

RULE: Final = (
    f"the highest evaluation whose rise before and fall after each exceed {FACTOR - 1:.0%} and {NOISES:.0f} standard "
    f"deviations of the noise there (of log10 of the loss about a running median of {WINDOW} evaluations; up to "
    f"{MEMORY:.0f} times that where the noise has a memory)"
)
"""In words, for everyone who shows a peak."""

_MOST: Final = 2_000
"""Evaluations that are judged one by one; of a longer series medians of as many neighbours as it takes."""

_ROUNDING: Final = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rebound:
    """From the least loss of the run up again, by more than noise."""

    low_step: int
    low: float
    step: int
    value: float
    """The highest loss after the least one."""


@dataclass(frozen=True)
class Peak:
    """`step` is None where there is no peak, and `reason` then says why. Values are recorded ones, in their unit."""

    step: int | None
    value: float
    fallen: int | None
    """First step after the peak at which the loss is at most 20% of it."""
    reason: str = ""
    rebound: Rebound | None = None


def loss_peak(steps: ArrayLike, val_loss: ArrayLike) -> Peak:
    """The peak of the validation loss by RULE, the first later step at which the loss is 80% below it, and the
    rebound after its minimum, where fall and rise exceed the same noise.

    Both are one-dimensional and of one length, in any order of steps; the unit of `value` is that of the loss. What
    is not finite and positive does not count. The step of a peak is that of the highest loss within the running
    median's window that is no spike, which stands above both neighbours by half of what a rise must reach and `SPIKE`
    times the usual difference of neighbours. A peak narrower than that window cannot be told from noise. Raises
    ValueError on unequal lengths.
    """
    s, loss = (np.asarray(column, dtype=np.float64) for column in (steps, val_loss))
    if s.ndim != 1 or s.shape != loss.shape:
        raise ValueError(f"columns must be of one length, got shapes {[s.shape, loss.shape]}")
    order = np.argsort(s, kind="stable")
    s, loss = s[order], loss[order]
    good = np.isfinite(loss) & (loss > 0)
    if not good.any():
        reason = "no validation loss is a positive number" if len(loss) else "validation loss was not recorded"
        return Peak(None, float("nan"), None, reason)
    s, loss = s[good], loss[good]
    if len(loss) < LEAST:
        return Peak(None, float("nan"), None, f"{len(loss)} evaluations, and noise cannot be told below {LEAST}")
    curve = _Curve(s, loss)
    rebound, top = curve.rebound(), curve.top()
    if top is None:
        return Peak(None, float("nan"), None, curve.why_none(), rebound)
    low = np.flatnonzero(loss[top + 1 :] <= FALLEN * loss[top])
    return Peak(int(s[top]), float(loss[top]), int(s[top + 1 + low[0]]) if len(low) else None, rebound=rebound)


class _Curve:
    """A loss (n,) and what is judged of it: medians of `many` neighbours each, in log10, (m,)."""

    def __init__(self, steps: Floats, loss: Floats) -> None:
        self.steps, self.loss, self.log = steps, loss, np.log10(loss)
        self.many = -(-len(loss) // _MOST)
        self.judged = self._medians() if self.many > 1 else self.log
        m = len(self.judged)
        self.half = min(WINDOW, max(5, 2 * (m // 8) + 1)) // 2
        self.level = _running_median(self.judged, self.half)
        self.least = np.maximum(NOISES * self._noise(), np.log10(FACTOR))
        self.rise = self.level - np.minimum.accumulate(self.level)
        self.fall = self.level - np.minimum.accumulate(self.level[::-1])[::-1]

    def _medians(self) -> Floats:
        borders = range(self.many, len(self.log), self.many)
        return np.array([np.median(part) for part in np.split(self.log, borders)])

    def _noise(self) -> Floats:
        """Standard deviation about the level, (m,), times the memory of the noise."""
        fast = self._spread(self.level)
        slow = self._spread(_running_median(self.judged, max(4 * self.half, len(self.judged) // 16)))
        told = fast > _ROUNDING
        memory = np.clip(np.median(slow[told] / fast[told]), 1, MEMORY) if told.any() else 1.0
        noise: Floats = fast * memory
        return noise

    def _spread(self, level: Floats) -> Floats:
        """The median deviation about a level in a window round each place, as that of Gaussian noise."""
        m = len(level)
        half = min(max(WINDOW, m // 8), (m - 1) // 2)
        return 1.4826 * _running_median(np.abs(self.judged - level), half, shrink=False)

    def top(self) -> int | None:
        """The evaluation of the peak."""
        stands = np.flatnonzero(np.minimum(self.rise, self.fall) > self.least)
        return self._recorded(int(stands[self.level[stands].argmax()])) if len(stands) else None

    def why_none(self) -> str:
        """What a series without a peak does instead."""
        rises, falls = (self.rise > self.least).any(), (self.fall > self.least).any()
        if rises and falls:
            return "no rise by more than its noise is followed by such a fall"
        if not rises and not falls:
            return "it neither rises nor falls by more than its noise"
        return f"it never {'falls' if rises else 'rises'} by more than its noise"

    def rebound(self) -> Rebound | None:
        """The rise after the least loss, where that had been fallen to."""
        low = int(self.level.argmin())
        before, after = int(self.level[: low + 1].argmax()), low + int(self.level[low:].argmax())
        for high in (before, after):
            if self.level[high] - self.level[low] <= max(self.least[low], self.least[high]):
                return None
        least, most = self._recorded(low, sign=-1), self._recorded(after)
        return Rebound(int(self.steps[least]), float(self.loss[least]), int(self.steps[most]), float(self.loss[most]))

    def _recorded(self, index: int, sign: int = 1) -> int:
        """The evaluation within the window that goes farthest up (or down) without standing alone."""
        first, last = max(0, index - self.half) * self.many, (index + self.half + 1) * self.many
        beside = np.pad(sign * self.log, 1, constant_values=-np.inf)
        above = (beside[1:-1] - np.maximum(beside[:-2], beside[2:]))[first:last]
        near = sign * self.log[first:last]
        alone = above > self.least[index] / 2 + SPIKE * np.median(np.abs(np.diff(near)))
        return first + int(np.where(alone, -np.inf, near).argmax())


def _running_median(values: Floats, half: int, *, shrink: bool = True) -> Floats:
    """Medians of `half` values on either side; towards the ends of fewer on both, by which a monotone series stays as
    it is, or with `shrink` off of the nearest full window."""
    n = len(values)
    half = min(half, (n - 1) // 2)
    middle = np.median(sliding_window_view(values, 2 * half + 1), axis=1)
    made: Floats = middle[np.clip(np.arange(n) - half, 0, len(middle) - 1)]
    for i in range(half) if shrink else ():
        made[i], made[n - 1 - i] = np.median(values[: 2 * i + 1]), np.median(values[n - 1 - 2 * i :])
    return made
