"""Where the spectrum of a random matrix ends: the null that a singular value must leave behind to stand out."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

LEAST_VALUES = 50
TRACY_WIDOM_99 = 2.0234
"""The 99% quantile of the Tracy-Widom law of real matrices (Johnstone 2001)."""
LOOKS_RANDOM = 4.0
"""Up to a KS distance of this over their number the eigenvalues within the edge pass for those of independent
entries."""
MOST_BEYOND = 1 / 3
"""With more of the singular values beyond the edge than this share, the others are no bulk to measure it by."""
_ROUNDS = 50


class RandomEdge(NamedTuple):
    """Of a matrix (m, n) whose bulk is taken for random entries; NaN and a note where it cannot be."""

    sigma: float
    """Standard deviation of one random entry, in the unit of the weights."""
    edge: float
    """The singular value that the largest one of a random matrix exceeds in 1% of cases."""
    beyond: int
    """How many singular values do."""
    ks: float
    """Kolmogorov-Smirnov distance between the other eigenvalues and the Marchenko-Pastur law."""
    looks_random: bool
    """Whether that distance is one that random entries have."""
    note: str
    """Empty, or why there is no edge."""


def random_edge(s: Array, shape: tuple[int, int], least: int = LEAST_VALUES) -> RandomEdge:
    """The edge for singular values `s` (min(shape),) of a matrix of this `shape`, and how many are beyond it.

    Marchenko and Pastur 1967: of m x n independent entries of variance sigma^2, n <= m, the eigenvalues s^2 fill
    sigma^2 (sqrt m -+ sqrt n)^2. sigma is read off the middle half of the eigenvalues within the edge (their sum over
    that of the law's quantiles), which a few large ones do not move, and the two are found in turn until neither
    changes. The edge is that of the largest eigenvalue's own fluctuation: sigma^2 (mu + 2.0234 w) with the centre and
    width of Johnstone 2001 in the form of Ma 2012, so that a random matrix has one beyond it in about 1% of cases.
    That holds for entries of mean 0 with light tails: `entry_null` has the edge of those that a matrix has.

    NaN below `least` = 50 values, where one is not finite or half are 0, and where more than a third lie beyond.
    """
    x = np.sort(np.asarray(s, np.float64).ravel())
    n, m = sorted(shape)
    if not np.isfinite(x).all():
        return no_edge("a singular value is not finite")
    if n < least:
        return no_edge(f"not enough singular values: {n}, at least {least} are needed")
    scale = float(x[-1])
    if scale <= 0 or np.median(x) <= 1e-7 * scale:
        return no_edge("half of the singular values are 0, so there is no bulk")
    squares, beyond = (x / scale) ** 2, 0
    for _ in range(_ROUNDS):
        variance, limit = _bulk(squares[: n - beyond], n - beyond, m - beyond)
        found = int((squares > limit).sum())
        if found > MOST_BEYOND * n:
            return no_edge("more than a third of the singular values lie beyond the edge, so the others are no bulk")
        if found <= beyond:
            break
        beyond = found
    law = marchenko_pastur((n - beyond) / (m - beyond))
    inside = squares[: n - beyond] / (variance * (m - beyond))
    edge, sigma = scale * float(np.sqrt(limit)), scale * float(np.sqrt(variance))
    ks = _distance(inside, law)
    return RandomEdge(sigma, edge, beyond, ks, ks <= LOOKS_RANDOM / len(inside), "")


def no_edge(note: str) -> RandomEdge:
    """What is given where there is none, and why."""
    return RandomEdge(float("nan"), float("nan"), 0, float("nan"), False, note)


def _bulk(squares: Floats, n: int, m: int) -> tuple[float, float]:
    """(variance of an entry, largest eigenvalue that random entries explain) from the eigenvalues of the bulk."""
    law, middle = marchenko_pastur(n / m), slice(n // 4, n - n // 4)
    expected = np.interp((np.arange(n) + 0.5) / n, law.below, law.x)
    variance = float(squares[middle].sum() / (m * expected[middle].sum()))
    a, b = np.sqrt(m - 0.5), np.sqrt(n - 0.5)
    centre, width = (a + b) ** 2, (a + b) * (1 / a + 1 / b) ** (1 / 3)
    return variance, variance * float(centre + TRACY_WIDOM_99 * width)


class Law(NamedTuple):
    """The Marchenko-Pastur law of eigenvalues s^2 / m of unit variance, for one ratio q = n / m <= 1."""

    x: Floats
    """Ascending, from edge to edge."""
    below: Floats
    """The probability below each."""


@functools.lru_cache(maxsize=256)
def marchenko_pastur(q: float) -> Law:
    """The law for 0 < q <= 1: density sqrt((b - x)(x - a)) / (2 pi q x) between a = (1 - sqrt q)^2 and
    b = (1 + sqrt q)^2."""
    # With x = centre - reach cos t the integrand is smooth, at the hard edge of q = 1 too.
    t = np.linspace(0, np.pi, 4097)
    centre, reach = 1 + q, 2 * np.sqrt(q)
    x = centre - reach * np.cos(t)
    ratio = np.divide(np.sin(t) ** 2, x, out=np.full_like(t, 2 / reach if q == 1 else 0), where=x > 1e-12)
    density = reach**2 * ratio / (2 * np.pi * q)
    below = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)]) * (t[1] - t[0])
    below /= below[-1]
    return Law(x, below)


def _distance(x: Floats, law: Law) -> float:
    fitted, steps = np.interp(x, law.x, law.below), np.arange(len(x) + 1) / len(x)
    return float(max((steps[1:] - fitted).max(), (fitted - steps[:-1]).max()))
