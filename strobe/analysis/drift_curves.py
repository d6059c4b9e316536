"""Smooth drifts with parameters of their own: exponentials and powers, placed by what fits best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_GRIDS = {1: 9, 2: 9, 3: 7}
"""Places of a grid along each of so many parameters."""
_ROUNDS = 8
"""The grid of parameters is halved that often: they end within 1% of the best."""


@dataclass(frozen=True)
class Family:
    """Curves of n samples by the logarithms of their parameters."""

    curve: Callable[[Floats, Floats], Floats]
    """(places (n, 1), parameters (q, k)) -> (n, k)."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """(q,): natural bounds of the parameters; negative ones count in lengths of the series."""

    def best(self, gain: Callable[[Floats], Floats], n: int) -> Floats:
        """The curve (n,) with the largest gain, `gain` being (n, k) -> (k,)."""
        low, high = (np.log([-n * each if each < 0 else each for each in ends]) for ends in (self.low, self.high))
        place = np.arange(n, dtype=float)[:, None]
        middle, reach = (low + high) / 2, (high - low) / 2
        for _ in range(_ROUNDS):
            axes = np.meshgrid(*(np.linspace(-r, r, _GRIDS[len(reach)]) for r in reach))
            tried = np.clip(middle[:, None] + np.stack([each.ravel() for each in axes]), low[:, None], high[:, None])
            curves = self.curve(place, np.exp(tried))
            best = int(gain(curves).argmax())
            middle, reach = tried[:, best], reach / 2
        chosen: Floats = curves[:, best]
        return chosen


FAMILIES = {
    "exponential": Family(lambda at, t: np.exp(-at / t[0]), (1.0,), (-3.0,)),
    "late exponential": Family(lambda at, t: np.exp((at - len(at) + 1) / t[0]), (1.0,), (-3.0,)),
    "power": Family(lambda at, q: ((at + q[1]) / q[1]) ** -q[0], (0.05, 0.5), (4.0, -1.0)),
    "rising power": Family(lambda at, q: ((at + q[1]) / len(at)) ** q[0], (0.05, 0.01), (3.0, -1.0)),
    "two exponentials": Family(
        lambda at, q: np.exp(-at / q[0]) + q[2] * np.exp(-at / q[1]), (0.5, 2.0, 0.02), (-0.5, -3.0, 50.0)
    ),
}
"""exp(-place / t), exp((place - last) / t), (place + start) ** -power and ** power, and a sum of two exponentials of
one sign, in samples."""
