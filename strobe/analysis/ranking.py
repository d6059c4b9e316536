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


class Shift(NamedTuple):
    """How one series moved."""

    name: str
    before: float
    """Mean of the samples before, in the series' unit."""
    after: float
    effect: float
    """`after` less `before`."""
    standardised: float
    """The effect over the pooled standard deviation within the two sides (Cohen's d); infinite for a clean step."""


def ranked(series: Mapping[str, tuple[Array, Array]], at: float, samples: int = SAMPLES) -> list[Shift]:
    """Every series (name -> steps (n,) ascending, values (n,)) by |standardised shift| at step `at`, largest first.

    Compared are the last `samples` finite values before `at` and the first `samples` from it on. A series with fewer
    than two on a side, or that does not move at all, is left out. A ranking, not a test: nothing is corrected for how
    many series were looked at.
    """
    found = []
    for name, (steps, values) in series.items():
        known = np.isfinite(values)
        x, y = np.asarray(steps)[known], np.asarray(values, np.float64)[known]
        split = int(np.searchsorted(x, at))
        before, after = y[max(0, split - samples) : split], y[split : split + samples]
        if min(len(before), len(after)) < LEAST:
            continue
        effect = float(after.mean() - before.mean())
        within = (before.var() * len(before) + after.var() * len(after)) / (len(before) + len(after) - 2)
        if effect:
            size = effect / np.sqrt(within) if within > 0 else float(np.copysign(np.inf, effect))
            found.append(Shift(name, float(before.mean()), float(after.mean()), effect, float(size)))
    return sorted(found, key=lambda shift: -abs(shift.standardised))
