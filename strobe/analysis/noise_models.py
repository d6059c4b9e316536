"""Noise with memory: the covariances that a series' noise is compared with, from white to a random slope.

A series without a change may still wander. Its memory is not known, so every model here is tried, and a change has to
be better than all of them. Each covariance is (n, n), float64, in units of its own innovation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_AUTOREGRESSIVE = {
    -0.4: (0,), 0.3: (0,), 0.6: (0, 1), 0.8: (0, 1, 4), 0.9: (0, 1, 4, 16), 0.95: (0, 1, 4, 16, 64),
    0.98: (0, 1, 4, 16, 64, 256),
}  # fmt: skip
"""Coefficient -> variances of the white noise on top, in variances of the innovation."""
_WALK = (0, 1, 2, 4, 8, 16, 32)
_SLOPE = (0, 1, 2, 4, 8, 16)
"""Samples over which a local level, and a local trend, average the white noise on top of them."""
_FRACTIONAL = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Orders of fractional integration; 0.5 is 1/f."""


class Noise(NamedTuple):
    """One model of the noise."""

    name: str
    covariance: Floats
    curved: bool
    """Whether curved drifts are tried with it: not with what is a sum already, which follows a curve by itself."""
    level: bool
    """Whether it is tried with no drift at all: not where it needs a slope to start from."""


def noise_models(n: int) -> Iterator[Noise]:
    """The family, for n samples.

    White; AR(1), alone or under white noise; a local level (a random walk under white noise: Harvey 1989); a local
    trend (a walk of the slope under white noise, which a cubic smoothing spline estimates); fractional noise (Hosking
    1981). Walks start at a level, or slope, that the mean has to carry.
    """
    place = np.arange(n)
    apart, white = np.abs(place[:, None] - place), np.eye(n)
    yield Noise("white noise", white, True, True)
    for coefficient, above in _AUTOREGRESSIVE.items():
        memory = coefficient**apart / (1 - coefficient**2)
        for variance in above:
            yield Noise(
                _named(f"AR(1) noise of {coefficient:g}", variance), memory + variance * white, not variance, True
            )
    summed = np.tril(np.ones((n, n)))
    walk = summed @ summed.T
    for span in _WALK:
        yield Noise(_named("a random walk", span), walk + span**2 * white, not span, True)
    slope = summed @ walk @ summed.T
    for span in (*_SLOPE, max(24, n // 10)):
        yield Noise(_named("a random slope", span), slope + span**4 * white, False, False)
    for order in _FRACTIONAL:
        memory = _fractional(order, n) if order < 0.5 else summed @ _fractional(order - 1, n) @ summed.T
        yield Noise(f"fractional noise of order {order:g}", memory, True, True)


def _named(name: str, white: float) -> str:
    return f"{name} with white noise" if white else name


def _fractional(order: float, n: int) -> Floats:
    """The covariance of stationary fractional noise, -1/2 <= order < 1/2 (Hosking 1981, theorem 1)."""
    at = np.arange(1, n)
    ratios = (at - 1 + order) / (at - order)
    scale = math.exp(math.lgamma(1 - 2 * order) - 2 * math.lgamma(1 - order))
    lags = scale * np.concatenate([[1.0], np.cumprod(ratios)])
    covariance: Floats = lags[np.abs(np.subtract.outer(np.arange(n), np.arange(n)))]
    return covariance
