"""Histograms whose bins fit what they count."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

CENTRAL: Final = 0.999
"""The share of the values that the bins span."""
FEWEST: Final = 16
MOST: Final = 96


class Histogram(NamedTuple):
    """A density over the central values."""

    edges: Floats
    """(bins + 1,), evenly spaced, in the unit of the values."""
    density: Floats
    """(bins,): share of all values in the bin over its width; what lies outside the edges is in no bin."""
    outside: float
    """The share of the finite values that lies outside."""


def histogram(values: Array) -> Histogram:
    """The density of finite `values` (any shape), in bins from their 0.05th to their 99.95th percentile.

    The width of a bin is 2 IQR / n^(1/3) (Freedman and Diaconis 1981), so that few values get wide bins and narrow
    distributions narrow ones; at least 16 and at most 96 bins. No bins where no value is finite, all are equal, or
    float64 has too few numbers between them, or none for how far they reach.
    """
    x = np.asarray(values, np.float64).ravel()
    x = x[np.isfinite(x)]
    none = np.zeros(0)
    if not len(x):
        return Histogram(none, none, float("nan"))
    tail = (1 - CENTRAL) / 2
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        low, first, third, high = np.quantile(x, [tail, 0.25, 0.75, 1 - tail])
        if not high > low:
            low, high = x.min(), x.max()
        reach, width = high - low, 2 * (third - first) / len(x) ** (1 / 3)
        if not 0 < reach < np.inf:
            return Histogram(none, none, float("nan"))
        bins = int(np.clip(np.ceil(reach / width) if width > 0 else MOST, FEWEST, MOST))
        highest = 1 / np.diff(np.linspace(low, high, bins + 1))
    # Edges that coincide would be refused, and the density of subnormally narrow bins has no number.
    if not ((highest > 0) & (highest < np.inf)).all():
        return Histogram(none, none, float("nan"))
    counts, edges = np.histogram(x, bins, (low, high))
    return Histogram(edges, counts / len(x) / np.diff(edges), 1 - counts.sum() / len(x))
