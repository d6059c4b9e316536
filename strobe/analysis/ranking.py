"""What changed most around one step: many series ranked by the size of their shift there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SAMPLES = 6
"""Samples on either side of the step that are compared."""
LEAST = 2
FLOOR = 0.05
"""Least standard deviation that a shift is measured in, as a share of the series' range over the whole run."""
_ROUNDING = 1e-6
"""A range below this share of the largest value is what float32 leaves of a constant."""


class Shift(NamedTuple):
    """How one series moved."""

    name: str
    before: float
    """Mean of the samples before, in the series' unit."""
    after: float
    effect: float
    """`after` less `before`."""
    standardised: float
    """The effect over the pooled standard deviation within the two sides (Cohen's d), or over `FLOOR` times the
    series' range where that is more."""
    floored: bool
    """True where the range stood in for the spread: both sides are still; the size says how far, not how clearly."""


def ranked(series: Mapping[str, tuple[Array, Array]], at: float, samples: int = SAMPLES) -> list[Shift]:
    """Every series (name -> steps (n,) ascending, values (n,)) by |standardised shift| at step `at`, largest first.

    Compared are the last `samples` finite values before `at` and the first `samples` from it on. A series with fewer
    than two on a side, or that does not move at all, is left out. Still sides would make any shift infinitely large,
    and a smooth curve's nearly so: hence the floor, by which no shift exceeds 1 / FLOOR = 20. A ranking, not a test:
    nothing is corrected for how many series were looked at.
    """
    shifts = []
    for name, (steps, values) in series.items():
        finite = np.isfinite(values)
        x, y = np.asarray(steps)[finite], np.asarray(values, np.float64)[finite]
        split = int(np.searchsorted(x, at))
        before, after = y[max(0, split - samples) : split], y[split : split + samples]
        reach = float(np.ptp(y)) if len(y) else 0.0
        if min(len(before), len(after)) < LEAST or reach <= _ROUNDING * np.abs(y).max():
            continue
        effect = float(after.mean() - before.mean())
        within = (before.var() * len(before) + after.var() * len(after)) / (len(before) + len(after) - 2)
        spread, least = float(np.sqrt(within)), FLOOR * reach
        if effect:
            size = effect / max(spread, least)
            shifts.append(Shift(name, float(before.mean()), float(after.mean()), effect, size, spread < least))
    return sorted(shifts, key=lambda shift: -abs(shift.standardised))
