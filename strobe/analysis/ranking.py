"""What changed most around one step: many series ranked by their shift there, each in how far it usually moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SAMPLES = 6
"""Most samples on either side of a step that are compared."""
SHARE = 8
"""One in so many samples of a series at most is on a side, so that there are other places to compare with."""
LEAST = 2
"""Fewest samples on a side."""
PLACES = 8
"""Other places in a series below which it cannot be told how far it usually moves."""
FLOOR = 0.05
"""Least usual movement that a shift is measured in, as a share of the series' range over the whole run."""
STANDS_OUT = 3.0
"""A shift of at least so many times the usual one stands out."""
EARNED = 0.044
EARNED_OF = 1_000
"""How often the shift of a series without any structure, at a place drawn at random, stands out: at most this share
of so many, over the kinds and lengths that docs/analyses.md lists."""
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
    times: float
    """The effect over the series' usual one, or over `FLOOR` times its range where that is more."""
    floored: bool
    """True where the range stood in for the usual movement: the series is still elsewhere."""


class Ranking(NamedTuple):
    """The shifts, the largest number of times first, and the names of the series for which it cannot be told."""

    shifts: list[Shift]
    untold: list[str]


def ranked(series: Mapping[str, tuple[Array, Array]], at: float) -> Ranking:
    """Every series (name -> steps (n,) ascending, values (n,)) by its shift at step `at` against its usual one.

    The shift is the mean of the first samples from `at` on less that of the last before it: an eighth of the finite
    samples on either side, from 2 to 6. The usual one is the root mean square of the same difference at every other
    place whose samples are none of these. Noise with a memory, a random walk and a drift all move a mean over some
    samples; what they do elsewhere is what they may do here. With fewer than 8 other places, or fewer than 2 samples
    on a side, it cannot be told. A series that does not move at all is left out. For one that is still elsewhere the
    floor makes 1 / FLOOR = 20 the most. Nothing is corrected for how many series were looked at.
    """
    shifts, untold = [], []
    for name, (steps, values) in series.items():
        finite = np.isfinite(values)
        x, y = np.asarray(steps)[finite], np.asarray(values, np.float64)[finite]
        if len(y) and np.ptp(y) <= _ROUNDING * np.abs(y).max():
            continue
        shift = _shift(name, y, int(np.searchsorted(x, at)))
        if shift is None:
            untold.append(name)
        elif shift.effect:
            shifts.append(shift)
    return Ranking(sorted(shifts, key=lambda shift: -abs(shift.times)), untold)


def _shift(name: str, y: Array, place: int) -> Shift | None:
    """The shift between samples place - 1 and place of `y` (n,); None where it cannot be told."""
    side = max(LEAST, min(SAMPLES, len(y) // SHARE))
    places = np.arange(side, len(y) - side + 1)
    others = places[np.abs(places - place) >= 2 * side]
    if len(others) < PLACES or not side <= place <= len(y) - side:
        return None
    sums = np.concatenate(([0.0], np.cumsum(y - y.mean())))
    usual = float(np.sqrt(np.mean(((sums[others + side] - 2 * sums[others] + sums[others - side]) / side) ** 2)))
    before, after = float(y[place - side : place].mean()), float(y[place : place + side].mean())
    least = FLOOR * float(np.ptp(y))
    return Shift(name, before, after, after - before, (after - before) / max(usual, least), usual < least)
