"""Tensors in fewer bits: half precision, or int8 with a scale for each row, and how far that is off."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

HALF_MAX: Final = float(np.finfo(np.float16).max)
_SINGLE_MAX: Final = float(np.finfo(np.float32).max)
_LEVELS: Final = 127


def largest(values: Array) -> float:
    """The greatest magnitude among the finite values; 0 where there is none."""
    finite = values[np.isfinite(values)]
    return float(np.abs(finite.astype(np.float64)).max()) if finite.size else 0.0


def fits_half(values: Array) -> bool:
    """Whether no finite value is beyond half precision's range. NaN and infinities have a place in it."""
    return largest(values) <= HALF_MAX


def fits_rows(values: Array) -> bool:
    """Whether int8 rows can hold them: two axes or more, and no NaN or infinity, which int8 has no place for."""
    return values.ndim >= 2 and bool(np.isfinite(values).all()) and largest(values) <= _SINGLE_MAX


def to_half(values: Array) -> Array:
    """float16 of the same shape; raises ValueError where `fits_half` does not hold."""
    if not fits_half(values):
        raise ValueError("a value is beyond half precision's range")
    return values.astype(np.float16)


def to_rows(values: Array) -> tuple[Array, Array]:
    """(int8 of the same shape, float32 of the shape less its last axis): value = stored x scale of its row.

    Raises ValueError where `fits_rows` does not hold. A row of zeros has the scale 1.
    """
    if not fits_rows(values):
        raise ValueError("int8 rows need two axes or more and finite values")
    exact = values.astype(np.float64)
    reach = np.abs(exact).max(axis=-1, initial=0.0)
    scale = (reach / _LEVELS).astype(np.float32)
    with np.errstate(over="ignore"):
        beyond = ~np.isfinite(scale * np.float32(_LEVELS))
    scale[beyond] = np.nextafter(scale[beyond], np.float32(0))
    # Zeros, and rows so small that their scale would be 0.
    scale[scale == 0] = 1
    stored = np.rint(exact / scale.astype(np.float64)[..., None])
    return np.clip(stored, -_LEVELS, _LEVELS).astype(np.int8), scale


def from_rows(stored: Array, scale: Array) -> Array:
    """float32, as a reader of snapshots makes it."""
    return stored.astype(np.float32) * scale[..., None]


def max_error(given: Array, read: Array) -> float:
    """The greatest distance of a finite value from what is read in its place; 0 of none.

    Raises ValueError where NaN or an infinity is read as something else.
    """
    finite = np.isfinite(given)
    if not np.array_equal(given[~finite].astype(np.float64), read[~finite].astype(np.float64), equal_nan=True):
        raise ValueError("a value that is not finite would be read as another")
    distance = np.abs(given[finite].astype(np.float64) - read[finite].astype(np.float64))
    return float(distance.max()) if distance.size else 0.0
