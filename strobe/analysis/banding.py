"""How the weight of a matrix lies around its diagonal."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class BandProfile(NamedTuple):
    """Energy by distance |row - column| from the diagonal; each array has one entry a distance 0, 1, 2, .."""

    energy: Floats
    """The share of sum W_ij^2 at that distance; sums to 1."""
    density: Floats
    """The mean of W_ij^2 at that distance over its mean in the whole matrix: 1 everywhere without structure."""
    entries: npt.NDArray[np.int64]
    """How many entries lie at that distance."""


def band_profile(W: Array) -> BandProfile:
    """The profile of a matrix (m, n), distances 0..max(m, n) - 1, summed in float64.

    Rows and columns are compared by number, as a banded mask |i - j| <= band does; in a matrix that is not square the
    far distances hold the rows that no column faces. All NaN for a zero or non-finite matrix. Raises ValueError
    unless W has two axes.
    """
    if W.ndim != 2 or 0 in W.shape:
        raise ValueError(f"a band profile needs a matrix with entries, not shape {W.shape}")
    entries = _by_distance(np.broadcast_to(1.0, W.shape))
    sums = _by_distance(W)
    total = sums.sum()
    if not 0 < total < np.inf:
        unknown = np.full(len(sums), np.nan)
        return BandProfile(unknown, unknown.copy(), entries.astype(np.int64))
    energy = sums / total
    return BandProfile(energy, energy * W.size / entries, entries.astype(np.int64))


def _by_distance(W: Array) -> Floats:
    """sum W_ij^2 by |i - j|: the rows are added shifted, so that diagonals line up."""
    m, n = W.shape
    by_offset = np.zeros(m + n - 1)
    for i in range(m):
        # Entry m - 1 + (j - i) belongs to offset j - i.
        by_offset[m - 1 - i : m - 1 - i + n] += np.square(W[i], dtype=np.float64)
    distance = np.zeros(max(m, n))
    distance[:n] += by_offset[m - 1 :]
    distance[1:m] += by_offset[m - 2 :: -1] if m > 1 else 0.0
    return distance
