"""A weight matrix as rows of a table, every weight as it was recorded."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from strobe.views.binning import binned
from strobe.views.matrices import WeightMatrix

MOST_WEIGHTS: Final = 4_000_000
"""Weights of a matrix that a file of a panel has; of larger ones the means of the bins that are drawn."""

Array = np.ndarray[Any, Any]


def files_words(matrix: WeightMatrix) -> str:
    """What the files of a matrix leave out, as a sentence; empty where they have every weight."""
    rows, columns = matrix.shape
    if rows * columns <= MOST_WEIGHTS:
        return ""
    return f"Files: the means of these cells, in double precision, of {rows * columns:,} weights."


def weights_table(weights: Array) -> pa.Table:
    """row, column, weight (in the type that was recorded); of a matrix beyond MOST_WEIGHTS first_row, last_row,
    first_column, last_column, mean (float64) of each bin."""
    if weights.size <= MOST_WEIGHTS:
        row, column = (axis.ravel() for axis in np.indices(weights.shape, np.int32))
        return pa.table({"row": row, "column": column, "weight": _plain(weights).ravel()})
    cells, sizes = binned(weights)
    made = {}
    for name, place, size, most in zip(("row", "column"), np.indices(cells.shape), sizes, weights.shape, strict=True):
        made[f"first_{name}"] = (place * size).ravel()
        made[f"last_{name}"] = np.minimum((place + 1) * size, most).ravel() - 1
    return pa.table({**made, "mean": cells.ravel()})


def _plain(values: Array) -> Array:
    """A type that files have: what is narrower than float32 fits into it exactly."""
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)
