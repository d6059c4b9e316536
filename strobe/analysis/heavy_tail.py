"""The tail of the eigenvalues of a weight matrix: a power law fitted to it, and whether one may be there at all."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

LEAST_EIGENVALUES = 50
LEAST_TAIL = 10
MOST_STARTS = 100
"""Eigenvalues that are tried as the start of the tail; of more, that many evenly by rank."""
REPLICATES = 200
RULED_OUT = 0.1
"""Below this p there is no power law (Clauset, Shalizi and Newman 2009)."""


class HeavyTail(NamedTuple):
    """A power law p(x) ~ x^-alpha fitted to the largest eigenvalues x = s^2; NaN and a note where it was not."""

    alpha: float
    ks: float
    """Kolmogorov-Smirnov distance between the tail and the fit."""
    xmin: float
    """The eigenvalue where the tail starts, in units of s^2."""
    n: int
    """How many eigenvalues the tail has."""
    p: float
    """How often a true power law with such a body fits no better; below RULED_OUT there is none. NaN untested."""
    note: str
    """Empty, or why there is no fit, or no xmin in the unit of s^2."""


def heavy_tail(s: Array, least: int = LEAST_EIGENVALUES, replicates: int = REPLICATES) -> HeavyTail:
    """Fit the tail of the eigenvalues s^2 of W^T W by maximum likelihood, xmin where the KS distance is least.

    Clauset, Shalizi and Newman 2009: alpha = 1 + n / sum ln(x_i / xmin) over the n values x_i >= xmin, each value
    with at least 10 above or at it tried as xmin (of more than 100, that many evenly by rank). Zeros (and what
    rounding leaves of them, below 1e-14 of the largest) do not count. "not enough eigenvalues" below `least` = 50. No
    unit but that of xmin.

    p by their semi-parametric bootstrap, from a fixed seed: each replicate draws every value from the fitted power
    law with the probability n / (number of values), else one of the values below xmin, and is fitted anew, xmin and
    all; p = (1 + those whose KS distance is at least ours) / (1 + `replicates`). A small p rules the power law out. A
    large one says that it cannot be ruled out, not that it is there: a short tail rules out little.
    """
    values = np.sort(np.asarray(s, np.float64).ravel())
    if not np.isfinite(values).all():
        return _no_tail(0, "a singular value is not finite")
    # The largest scaled to about 1, by a power of two, so that no square leaves the range of float64.
    unit = int(np.frexp(values.max(initial=0.0))[1])
    x = np.ldexp(values, -unit) ** 2
    x = x[x > 1e-14 * x.max(initial=0.0)]
    if x.size < least:
        return _no_tail(x.size, f"not enough eigenvalues: {x.size}, at least {least} are needed")
    logs = np.log(x)
    start, exponent, ks = (part[0] for part in _fits(logs[None]))
    if not np.isfinite(ks):
        return _no_tail(x.size, "all eigenvalues are equal")
    first = int(start)
    p = _p(logs, first, float(exponent), float(ks), replicates) if replicates else float("nan")
    xmin, beyond = _in_unit(float(x[first]), 2 * unit)
    return HeavyTail(1 + float(exponent), float(ks), xmin, x.size - first, p, beyond)


def _in_unit(x: float, exponent: int) -> tuple[float, str]:
    """x > 0 times 2^exponent and an empty note, or NaN and why."""
    with np.errstate(over="ignore", under="ignore"):
        scaled = float(np.ldexp(x, exponent))
    return (scaled, "") if 0 < scaled < np.inf else (float("nan"), "xmin is beyond the range of float64")


def _no_tail(n: int, note: str) -> HeavyTail:
    nothing = float("nan")
    return HeavyTail(nothing, nothing, nothing, n, nothing, note)


def _starts(n: int) -> npt.NDArray[np.int64]:
    """The ranks, ascending, that are tried as the start of a tail."""
    last = n - LEAST_TAIL
    return np.unique(np.linspace(0, last, min(last + 1, MOST_STARTS)).round().astype(np.int64))


def _fits(logs: Floats) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """(rank of the start, exponent alpha - 1, KS distance) of the best tail in each row of ascending ln x (rows, n).

    The distance is infinite in a row where no tail can be fitted.
    """
    rows, n = logs.shape
    best, exponent, least = np.zeros(rows, np.int64), np.full(rows, np.nan), np.full(rows, np.inf)
    for start in _starts(n):
        tail = logs[:, start:] - logs[:, start, None]
        count, total = tail.shape[1], tail.sum(axis=1)
        # A tail that began inside a run of equal values would leave out some of its own.
        possible = (total > 0) & ((logs[:, start] > logs[:, start - 1]) if start else True)
        rate = np.divide(count, total, out=np.ones(rows), where=possible)
        tail *= -rate[:, None]
        fitted = -np.expm1(tail, out=tail)
        steps = np.arange(count + 1) / count
        ks = np.maximum((steps[1:] - fitted).max(axis=1), (fitted - steps[:-1]).max(axis=1))
        better = possible & (ks < least)
        best[better], exponent[better], least[better] = start, rate[better], ks[better]
    return best, exponent, least


def _p(logs: Floats, start: int, exponent: float, ks: float, replicates: int) -> float:
    random, n = np.random.default_rng(0), logs.size
    drawn = logs[start] + random.exponential(1 / exponent, (replicates, n))
    if start:
        body = random.choice(logs[:start], (replicates, n))
        drawn = np.where(random.uniform(size=(replicates, n)) < (n - start) / n, drawn, body)
    found = _fits(np.sort(drawn, axis=1))[2]
    return float((1 + (found >= ks).sum()) / (1 + replicates))
