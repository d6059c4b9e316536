"""How large the likelihood ratio of a change gets in series without one: simulated, and read here."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class _Tail(NamedTuple):
    length: int
    start: float
    """Where the bound leaves 1."""
    rate: float
    """How fast the logarithm of the share falls from there."""


_TAILS = (
    _Tail(20, 5.85, 0.33),
    _Tail(28, 6.3, 0.365),
    _Tail(60, 7.05, 0.36),
    _Tail(120, 8.33, 0.42),
    _Tail(400, 10.85, 0.42),
)
"""Lines through the logarithms of simulated shares between 10% and 1%, for the noise that reaches the largest ratios
at each length: `python bench/changes.py --calibrate` prints the shares."""


def tail(ratio: float, n: int) -> float:
    """A bound of how often series of n samples without a change reach this ratio, whatever their noise."""
    lengths = np.log([each.length for each in _TAILS])
    start = np.interp(np.log(n), lengths, [each.start for each in _TAILS])
    rate = np.interp(np.log(n), lengths, [each.rate for each in _TAILS])
    return float(np.exp(-max(rate * (ratio - start), 0.0)))
