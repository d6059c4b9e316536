"""Change-points of a series: where its level shifts by more than autocorrelated noise explains.

One shift is looked for by the largest CUSUM statistic and tested against simulated AR(1) noise of the series' own
length and autocorrelation; where it is significant the two sides are searched again (binary segmentation). The
false-alarm rates measured on noise stand in `docs/analyses.md`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

LEVEL = 0.02
"""Share of simulated noise series with a larger statistic than a change-point may have."""
LEAST_SIDE = 4
"""Fewest samples on either side of a change-point."""
MOST_SAMPLES = 2_000
_GRID = (*(round(0.05 * i, 2) for i in range(20)), 0.98)
"""Autocorrelations that noise is simulated with."""
_RARE = 0.1
_JUMPS = 4
"""How many of the largest differences say nothing of the noise."""
_SIMULATED = 1_000
_LOCATION = 7.352
"""-2 ln(1 - sqrt(0.95)): the likelihood-ratio set of a break's place at 95% (Eo and Morley 2015)."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """One shift of the level. Steps are those of samples; the change lies between a sample and the one before it."""

    step: float
    """The first step of the new level."""
    step_low: float
    step_high: float
    """A 95% interval for `step`, both ends included."""
    effect: float
    """Mean after less mean before, up to the neighbouring change-points, in the series' unit."""
    standardised: float
    """`effect` over the standard deviation of one sample about those means; infinite for a noiseless step."""
    p: float
    """The share of simulated noise series with at least this statistic, with one added to both counts."""


def change_points(steps: Array, values: Array, level: float = LEVEL) -> list[ChangePoint]:
    """The change-points of `values` at ascending `steps`, both (n,), in order; empty is an answer.

    Samples that are not finite are left out. A segment with fewer than 2 * 4 samples is not searched. Samples count
    as evenly spaced: where steps are not, the noise is that from sample to sample. A smooth drift is autocorrelation
    near 1 and seldom becomes a change-point; take logarithms of a loss first. Deterministic: the simulated noise has
    a fixed seed. Raises ValueError for shapes that differ, steps that do not ascend, or more than 2,000 samples
    (thin the series first: the simulation grows with its length).
    """
    steps, values = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    if steps.ndim != 1 or steps.shape != values.shape:
        raise ValueError(f"steps {steps.shape} and values {values.shape} are not two series of one length")
    finite = np.isfinite(values)
    steps, x = steps[finite], values[finite]
    if not (np.diff(steps) > 0).all():
        raise ValueError("steps do not ascend")
    if len(x) > MOST_SAMPLES:
        raise ValueError(f"{len(x):,} samples are too many; thin the series to {MOST_SAMPLES:,}")
    top = np.abs(x).max(initial=0.0)
    scaled = x / top if top > 0 else x
    places = sorted(_search(scaled, 0, len(x), level))
    edges = [0, *(place for place, _ in places), len(x)]
    return [
        _described(steps, scaled, top, edges[i], place, edges[i + 2], p)
        for i, (place, p) in enumerate(places)
    ]  # fmt: skip


def _search(x: Floats, start: int, end: int, level: float) -> list[tuple[int, float]]:
    """(place, p) of every significant split of x[start:end], as indices of the first sample after it."""
    n = end - start
    if n < 2 * LEAST_SIDE:
        return []
    segment = x[None, start:end]
    place, statistic = (each[0] for each in _largest(segment))
    if not statistic > 0:
        return []
    length = _simulated_length(n)
    null = _noise(length, _upper_correlation(length, float(_persistence(segment)[0]))).statistics
    p = (1 + int((null >= statistic).sum())) / (1 + len(null))
    if p > level:
        return []
    split = start + int(place)
    return [*_search(x, start, split, level), (split, p), *_search(x, split, end, level)]


def _largest(x: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Of each row (r, n): the best split and its statistic.

    The statistic is |mean after - mean before| over its standard error under white noise about those two means; the
    null distribution, not the statistic, accounts for autocorrelation.
    """
    n = x.shape[1]
    centred = x - x.mean(axis=1, keepdims=True)
    total = (centred**2).sum(axis=1)
    before = np.arange(LEAST_SIDE, n - LEAST_SIDE + 1)
    gain = np.cumsum(centred, axis=1)[:, before - 1] ** 2 * (n / (before * (n - before)))
    best = gain.argmax(axis=1)
    explained = np.take_along_axis(gain, best[:, None], axis=1)[:, 0]
    # What rounding leaves of a noiseless series is no noise to compare with: the floor keeps the ratio finite.
    floor = n * (1e-12 * np.abs(x).max(axis=1)) ** 2
    left = np.maximum(total - explained, floor)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = np.where(explained > 4 * floor, np.sqrt(explained / (left / (n - 2))), 0.0)
    return before[best], statistic


def _persistence(x: Floats) -> Floats:
    """How far each row (r, n) keeps its value from sample to sample: near the lag-1 autocorrelation of AR(1) noise.

    1 + 2 r, r the lag-1 correlation of the differences without the largest few. Shifts of the level are single large
    differences, so that, unlike the autocorrelation of the values, this does not take several shifts for slow noise.
    """
    difference = np.diff(x, axis=1)
    size = np.abs(difference)
    kept = difference * (size < np.partition(size, -_JUMPS, axis=1)[:, -_JUMPS, None])
    power = (kept**2).sum(axis=1)
    lagged = (kept[:, 1:] * kept[:, :-1]).sum(axis=1)
    rough = 1e-24 * (x**2).sum(axis=1)
    persistence: Floats = 1 + 2 * np.divide(lagged, power, out=np.full(len(x), -1.0), where=power > rough)
    return persistence


class _Noise(NamedTuple):
    statistics: Floats
    persistence: Floats


def _simulated_length(n: int) -> int:
    """n rounded down to a grid of ratio 1.1, so that segments share simulations; shorter noise is more cautious."""
    exact = 2 * LEAST_SIDE
    while (longer := max(exact + 1, int(exact * 1.1))) <= n:
        exact = longer
    return exact


@functools.lru_cache(maxsize=2048)
def _noise(n: int, correlation: float) -> _Noise:
    """What the largest statistics and the persistence of stationary Gaussian AR(1) series of n samples look like."""
    rng = np.random.default_rng([n, round(correlation * 100)])
    x = rng.standard_normal((n, _SIMULATED))
    x[0] /= np.sqrt(1 - correlation**2)
    for i in range(1, n):
        x[i] += correlation * x[i - 1]
    rows = np.ascontiguousarray(x.T)
    return _Noise(_largest(rows)[1], _persistence(rows))


def _upper_correlation(n: int, persistence: float) -> float:
    """The largest autocorrelation, on a grid, under which so low a persistence is not rare: less would raise alarms.

    Inverting the test also mends the bias of the estimate, whatever it is.
    """
    low, high = 0, len(_GRID) - 1
    while low < high:
        middle = (low + high + 1) // 2
        usual = (_noise(n, _GRID[middle]).persistence <= persistence).mean() >= _RARE
        low, high = (middle, high) if usual else (low, middle - 1)
    return _GRID[low]


def _correlation(residual: Floats) -> float:
    """Lag-1 autocorrelation of residuals (n,) about two fitted means, mended for their bias; never negative."""
    n, power = len(residual), float(residual @ residual)
    plain = float(residual[1:] @ residual[:-1]) / power if power > 0 else 0.0
    return float(np.clip(plain + (2 + 4 * max(plain, 0.0)) / n, 0.0, _GRID[-1]))


def _described(steps: Floats, x: Floats, unit: float, start: int, place: int, end: int, p: float) -> ChangePoint:
    """The change-point at `place` in its segment, with the interval of places that fit nearly as well."""
    segment = x[start:end]
    n, at = len(segment), place - start
    residual = np.concatenate([each - each.mean() for each in (segment[:at], segment[at:])])
    effect = float(segment[at:].mean() - segment[:at].mean())
    before = np.arange(1, n)
    gain = np.cumsum(segment - segment.mean())[:-1] ** 2 * (n / (before * (n - before)))
    variance = float(residual @ residual) / (n - 2)
    mended = _correlation(residual)
    # Autocorrelated noise moves the break's place as white noise of its long-run variance would.
    long_run = variance * (1 + mended) / (1 - mended)
    close = np.flatnonzero(gain[at - 1] - gain <= _LOCATION * long_run) + 1
    low, high = (min(close[0], at), max(close[-1], at)) if len(close) else (at, at)
    noiseless = variance <= 1e-24 * np.abs(segment).max() ** 2
    standardised = float(np.copysign(np.inf, effect)) if noiseless else effect / float(np.sqrt(variance))
    step, step_low, step_high = steps[start:end][[at, low, high]].tolist()
    return ChangePoint(step, step_low, step_high, effect * float(unit), standardised, p)
