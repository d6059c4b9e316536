"""Many tests at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def benjamini_yekutieli(p: Floats) -> Floats:
    """p (n,) of n tests -> (n,), each the smallest share of false discoveries at which its test counts as one.

    Whatever the dependence of the tests (Benjamini and Yekutieli 2001): the series of one run depend on each other.
    """
    p = np.asarray(p, np.float64)
    n = len(p)
    order = np.argsort(p)[::-1]
    ranks = np.arange(n, 0, -1)
    adjusted = np.minimum.accumulate(p[order] * n / ranks) * (1 / np.arange(1, n + 1)).sum()
    result = np.empty(n)
    result[order] = np.minimum(adjusted, 1.0)
    return result


def holm(p: Floats) -> Floats:
    """p (n,) of n tests -> (n,), each the smallest chance of any false one at which its test counts.

    Whatever the dependence of the tests (Holm 1979). A p that is NaN was no test: it stays, and is not counted.
    """
    p = np.asarray(p, np.float64)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    result = p.copy()
    result[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return result
