"""How two measures of the same passages go together, and how well one tells beforehand who will be memorized."""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from strobe.analysis.memorization.distributions import NORMAL_QUANTILE, normal_chance, t_chance
from strobe.analysis.memorization.outcome import Outcome, cannot_tell

Floats = npt.NDArray[Any]

FEWEST: Final = 10
"""Passages below which nothing is said of how two measures go together."""
FEWEST_OF_A_KIND: Final = 5
"""Memorized ones, and others, below which nothing is said of telling them apart."""


def ranks(values: Floats) -> npt.NDArray[np.float64]:
    """From 1 for the least on; equal values share the mean of their ranks."""
    values = np.asarray(values, np.float64)
    _, back, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: npt.NDArray[np.float64] = last - (counts - 1) / 2
    return shared[back]


def correlation(x: Floats, y: Floats, kind: Literal["pearson", "spearman"] = "spearman") -> Outcome:
    """r of `x` and `y` (n,), pairs with NaN left out: its interval by Fisher's transformation (of ranks with the
    variance 1.06 / (n - 3) of Fieller, Hartley and Pearson 1957), its p from Student's t."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    x, y, n = x[known], y[known], int(known.sum())
    if n < FEWEST:
        return cannot_tell(f"too few: {n} of at least {FEWEST}")
    if kind == "spearman":
        x, y = ranks(x), ranks(y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return cannot_tell("one of the two is the same everywhere")
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1.0, 1.0))
    spread = NORMAL_QUANTILE * math.sqrt((1.06 if kind == "spearman" else 1.0) / (n - 3))
    inside = math.atanh(np.clip(r, -1 + 1e-15, 1 - 1e-15))
    t = r * math.sqrt((n - 2) / max(1 - r * r, 1e-300))
    return Outcome(t, r, math.tanh(inside - spread), math.tanh(inside + spread), t_chance(t, n - 2))


def early_and_late(early: Floats, late: Floats) -> list[list[Outcome]]:
    """Of each column of `early` (n, I) with each of `late` (n, J): the rank correlations, as I rows of J."""
    return [[correlation(before, after) for after in late.T] for before in early.T]


def area_under_curve(scores: Floats, positive: npt.NDArray[np.bool_]) -> Outcome:
    """The chance that of a `positive` one and another, taken at random, the positive one has the higher score (n,).

    The effect is that area: 0.5 tells nothing, and below it a low score goes with being positive. Its interval is
    DeLong's (1988), on the log-odds, which keeps it inside (0, 1); p is of the Mann-Whitney test, ties allowed for.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    known = np.isfinite(scores)
    high, low = scores[known & positive], scores[known & ~positive]
    if min(len(high), len(low)) < FEWEST_OF_A_KIND:
        return cannot_tell(f"too few: {len(high)} and {len(low)}, of at least {FEWEST_OF_A_KIND} each")
    wins = (high[:, None] > low[None, :]) + 0.5 * (high[:, None] == low[None, :])
    area, m, n = float(wins.mean()), len(high), len(low)
    _, ties = np.unique(np.concatenate([high, low]), return_counts=True)
    total = m + n
    variance = (total + 1 - (ties**3 - ties).sum() / (total * (total - 1))) / (12 * m * n)
    if variance <= 0:
        return cannot_tell("every score is the same")
    z = (area - 0.5) / math.sqrt(variance)
    error = math.sqrt(wins.mean(1).var(ddof=1) / m + wins.mean(0).var(ddof=1) / n)
    return Outcome(z, area, *_area_interval(area, error, m * n), normal_chance(z))


def _area_interval(area: float, error: float, pairs: int) -> tuple[float, float]:
    # Half a pair short of certain: the log-odds of 0 and 1 are infinite.
    inside = min(max(area, 0.5 / pairs), 1 - 0.5 / pairs)
    middle = math.log(inside / (1 - inside))
    reach = NORMAL_QUANTILE * max(error, 0.5 / pairs) / (inside * (1 - inside))
    low, high = (1 / (1 + math.exp(-each)) for each in (middle - reach, middle + reach))
    return min(low, area), max(high, area)
