"""Smoothing of a curve, and thinning of a smoothed one to the points that a screen can show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def exponential(values: ArrayLike, weight: float) -> Floats:
    """The exponential moving average with bias correction: s_t = sum_k w^k y_{t-k} / sum_k w^k, k = 0..t.

    `values` (n,), finite, in order; `weight` w in [0, 1), the share that the past keeps: 0 changes nothing. Returns
    (n,) float64. Dividing by the weights that were really summed keeps the beginning from being drawn towards zero
    (Kingma and Ba, "Adam", 2015, section 3). Raises ValueError for another weight.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"the weight must be at least 0 and below 1, got {weight}")
    y = np.asarray(values, np.float64)
    if not y.size or weight == 0:
        return y.copy()
    import pandas as pd

    # About the first value, so that a constant comes back exactly.
    mean = pd.Series(y - y[0]).ewm(alpha=1.0 - weight, adjust=True).mean()
    return np.asarray(y[0] + mean.to_numpy())


def running_mean(values: ArrayLike, points: int) -> Floats:
    """The mean of the `points` values centred on each (an even number counts one more before than after); fewer at
    the ends, where there are no more.

    `values` (n,), finite, in order; returns (n,) float64. Raises ValueError for less than one point.
    """
    if points < 1:
        raise ValueError(f"a running mean takes at least one point, got {points}")
    y = np.asarray(values, np.float64)
    if not y.size:
        return y.copy()
    total = np.concatenate([[0.0], np.cumsum(y - y[0])])
    at = np.arange(y.size)
    first, last = np.maximum(at - points // 2, 0), np.minimum(at + (points + 1) // 2, y.size)
    return np.asarray(y[0] + (total[last] - total[first]) / (last - first))


def extremes(x: ArrayLike, y: ArrayLike, points: int) -> NDArray[np.intp]:
    """Indices, ascending, of at most `points` points that look like all of them: of each of points / 4 equal
    stretches of x, the first, the last, the least and the greatest (M4; Jugel et al., "M4: a visualization-oriented
    time series data aggregation", VLDB 2014).

    `x` (n,) ascending and `y` (n,), both finite. Both ends and every spike are kept; all points where there are no
    more than `points`. Raises ValueError for fewer than four points.
    """
    if points < 4:
        raise ValueError(f"a stretch keeps four points: give at least 4, not {points}")
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if xs.size <= points:
        return np.arange(xs.size)
    many = points // 4
    span = xs[-1] - xs[0]
    # The end of the range belongs to the last stretch, not to one of its own.
    bucket = np.minimum(((xs - xs[0]) * (many / span)).astype(np.intp), many - 1) if span > 0 else np.zeros(xs.size)
    firsts = np.flatnonzero(np.diff(bucket, prepend=-1))
    lasts = np.append(firsts[1:], xs.size) - 1
    kept = [firsts, lasts, _where(np.minimum, ys, firsts, lasts), _where(np.maximum, ys, firsts, lasts)]
    return np.asarray(np.unique(np.concatenate(kept)))


def _where(pick: Any, values: Floats, firsts: NDArray[np.intp], lasts: NDArray[np.intp]) -> NDArray[np.intp]:
    """The first index in each stretch at which `values` equals what `pick` makes of the stretch."""
    found = pick.reduceat(values, firsts)
    hit = np.flatnonzero(values == np.repeat(found, lasts - firsts + 1))
    return hit[np.searchsorted(hit, firsts)]
