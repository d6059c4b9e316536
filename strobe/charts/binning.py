"""Matrices too large to draw, as means of equal bins."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]
MOST_CELLS: Final = 192
"""Rows and columns of a matrix that are drawn one to one; beyond, cells are means of bins."""


def binned(values: Array, most: int = MOST_CELLS) -> tuple[Array, tuple[int, int]]:
    """(m, n) as means of equal bins so that neither side exceeds `most`, and the size of a bin; the last row and
    column of bins may hold fewer. Computed in float64."""
    rows, columns = (-(-size // most) for size in values.shape)
    if rows == columns == 1:
        return np.asarray(values, np.float64), (1, 1)
    at = [np.arange(0, size, bin) for size, bin in zip(values.shape, (rows, columns), strict=True)]
    sums = np.add.reduceat(np.add.reduceat(np.asarray(values, np.float64), at[0], axis=0), at[1], axis=1)
    counts = [np.diff(np.append(starts, size)) for starts, size in zip(at, values.shape, strict=True)]
    return sums / np.outer(*counts), (rows, columns)
