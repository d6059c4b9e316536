"""How the size of a series' noise changes along it, where it does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CLEAR = 7.0
"""The F ratio from which the size counts as changing. Second differences are correlated, so that the 1% point of
independent ones, 4.8, is passed by 2% of white series."""
_SMALLEST = 0.02
"""Of the root mean square second difference: logarithms of less would outweigh all others."""
_LOGARITHM = 0.635
"""Minus the mean of ln |z|, z standard normal. A second difference of white noise has 6 times its variance."""
_SPAN = 30.0
"""The size is taken to be at most this many times, and at least this part of, its geometric mean."""


def noise_scale(values: Floats, least: float) -> Floats | None:
    """The size of the noise of `values` (n,) along them, of geometric mean 1; None where it is steady.

    The logarithms of the second differences, which a drift hardly has, are regressed on a parabola (multiplicative
    heteroscedasticity: Harvey 1976). A standard deviation below `least` counts as that.
    """
    bends = np.abs(np.diff(values, 2))
    typical = float(np.sqrt((bends**2).mean()))
    if typical <= least:
        return None
    size = np.log(np.maximum(bends, _SMALLEST * typical))
    along = np.linspace(-1, 1, len(values))
    design = np.vander(along[1:-1], 3)
    fitted, *_ = np.linalg.lstsq(design, size, rcond=None)
    left = size - design @ fitted
    explained = float(((design @ fitted - size.mean()) ** 2).sum())
    ratio = (explained / 2) / max(float(left @ left) / (len(size) - 3), 1e-12)
    if ratio < _CLEAR:
        return None
    deviation = np.exp(np.vander(along, 3) @ fitted + _LOGARITHM) / np.sqrt(6)
    logarithm = np.log(np.maximum(deviation, least))
    scale: Floats = np.exp(np.clip(logarithm - logarithm.mean(), -np.log(_SPAN), np.log(_SPAN)))
    return scale
