"""Floats in as few bytes as hold them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]

_SMALLEST: Final = {np.float16: 2.0**-14, np.float32: 2.0**-126}
"""Below these a type has fewer figures the smaller a number is, and at last none."""


def narrow(values: Array, smallest: float, *, half: bool = False) -> Array:
    """`values` as float16 (with `half`), float32 or float64: the first of them in which no finite one becomes
    infinite, and those of at least the size `smallest` keep all the figures of the type."""
    largest = float(np.abs(values[np.isfinite(values)]).astype(np.float64).max(initial=0.0))
    for kind in (np.float16, np.float32) if half else (np.float32,):
        if largest <= np.finfo(kind).max and (smallest >= _SMALLEST[kind] or not largest):
            return values.astype(kind)
    return values.astype(np.float64)


def narrow_all(values: Array) -> Array:
    """`values` as float32 where none of them loses more than its rounding, else as float64."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    return narrow(values, float(sizes.min(initial=np.inf)))
