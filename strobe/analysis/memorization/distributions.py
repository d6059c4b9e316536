"""Two-sided chances of test statistics under the hypothesis that there is nothing, and quantiles for intervals."""

from __future__ import annotations

import math

CONFIDENCE = 0.95
"""Of every interval."""


def t_chance(t: float, freedom: float) -> float:
    """Of a Student t at least as far from 0."""
    from scipy.special import stdtr  # type: ignore[import-untyped]

    return float(2 * stdtr(freedom, -abs(t))) if math.isfinite(freedom) else normal_chance(t)


def normal_chance(z: float) -> float:
    """Of a standard normal value at least as far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def t_quantile(freedom: float) -> float:
    """Between minus this and this lie 95% of a Student t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))


NORMAL_QUANTILE = 1.959963984540054
"""Between minus this and this lie 95% of a standard normal value."""
