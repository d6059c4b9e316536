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

    # Not about the first value: what is large in the beginning would leave its rounding in all that follows.
    return np.asarray(pd.Series(y).ewm(alpha=1.0 - weight, adjust=True).mean().to_numpy())


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
    points = min(points, 2 * y.size)  # as wide as this, every window holds all values
    before, after = points // 2, (points + 1) // 2
    at = np.arange(y.size)
    many = np.minimum(at + after, y.size) - np.maximum(at - before, 0)
    mean = _over_windows(np.add, y / points, before, points, 0.0) * (points / many)
    # A mean lies between the least and the greatest, whatever the rounding: what is constant comes back exactly.
    low, high = (
        _over_windows(pick, y, before, points, fill) for pick, fill in ((np.minimum, np.inf), (np.maximum, -np.inf))
    )
    return np.clip(mean, low, high)


def _over_windows(combine: np.ufunc, values: Floats, before: int, points: int, fill: float) -> Floats:
    """What `combine` makes of the `points` values from `before` in front of each on; `fill` stands beyond the ends.

    Each window is the end of one block of `points` values and the beginning of the next (van Herk, "A fast algorithm
    for local minimum and maximum filters on rectangular and octagonal kernels", 1992), so a value has no part, and
    leaves no rounding, in windows that it does not lie in. Differences of one long running sum would.
    """
    n = values.size
    blocks = -(-(n + points - 1) // points)
    padded = np.full(blocks * points, fill)
    padded[before : before + n] = values
    table = padded.reshape(blocks, points)
    prefix = combine.accumulate(table, axis=1).ravel()[points - 1 : points - 1 + n]
    suffix = combine.accumulate(table[:, ::-1], axis=1)[:, ::-1].ravel()[:n]
    whole = np.arange(n) % points == 0
    return np.where(whole, suffix, combine(suffix, prefix))


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
    extreme = pick.reduceat(values, firsts)
    hit = np.flatnonzero(values == np.repeat(extreme, lasts - firsts + 1))
    return hit[np.searchsorted(hit, firsts)]
