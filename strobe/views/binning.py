"""Matrices too large to draw, as means of equal bins."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]
MOST_CELLS: Final = 192
"""Rows and columns of a matrix that are drawn one to one; beyond, cells are means of bins."""


def bin_size(shape: tuple[int, int], most: int = MOST_CELLS) -> tuple[int, int]:
    """The least (rows, columns) a bin for which neither side exceeds `most` cells."""
    return -(-shape[0] // most), -(-shape[1] // most)


def binned(values: Array, most: int = MOST_CELLS) -> tuple[Array, tuple[int, int]]:
    """(m, n) as means of equal bins so that neither side exceeds `most`, and the size of a bin; the last row and
    column of bins may hold fewer. Computed in float64."""
    rows, columns = bin_size((values.shape[0], values.shape[1]), most)
    if rows == columns == 1:
        return np.asarray(values, np.float64), (1, 1)
    m, n = values.shape
    # A few rows at a time, so that what is added stays in the cache: ten times as fast as the whole at once.
    strips = np.stack([values[k : k + rows].sum(axis=0, dtype=np.float64) for k in range(0, m, rows)])
    starts = np.arange(0, n, columns)
    sums = np.add.reduceat(strips, starts, axis=1)
    counts = [np.diff(np.append(np.arange(0, m, rows), m)), np.diff(np.append(starts, n))]
    return sums / np.outer(*counts), (rows, columns)


def bin_words(bins: tuple[int, int], by: str = "×") -> str:
    """What a cell of a binned matrix is, as a sentence; empty where cells are single weights."""
    return "" if bins == (1, 1) else f"Each cell is the mean of {bins[0]} {by} {bins[1]} weights."
