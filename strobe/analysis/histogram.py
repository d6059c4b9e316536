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
    distributions narrow ones; at least 16 and at most 96 bins. No bins where no value is finite or all are equal.
    """
    x = np.asarray(values, np.float64).ravel()
    x = x[np.isfinite(x)]
    none = np.zeros(0)
    if not len(x):
        return Histogram(none, none, float("nan"))
    tail = (1 - CENTRAL) / 2
    low, first, third, high = np.quantile(x, [tail, 0.25, 0.75, 1 - tail])
    if not high > low:
        low, high = float(x.min()), float(x.max())
    if not high > low:
        return Histogram(none, none, float("nan"))
    width = 2 * (third - first) / len(x) ** (1 / 3)
    bins = int(np.clip(np.ceil((high - low) / width) if width > 0 else MOST, FEWEST, MOST))
    counts, edges = np.histogram(x, bins, (low, high))
    if not (np.diff(edges) > 0).all():
        return Histogram(none, none, float("nan"))
    return Histogram(edges, counts / len(x) / np.diff(edges), 1 - counts.sum() / len(x))
