"""What of a run is kept where not all of it fits: steps where most happens, and the ends of curves in each bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_EVEN: Final = 0.5
"""How much of the whole is spread evenly, beside one for each curve that moves: no part of a run is left empty."""


def steps_by_information(
    steps: Sequence[int], count: int, curves: Iterable[Mapping[int, float]], always: Iterable[int] = ()
) -> list[int]:
    """About `count` of the ascending `steps`: dense where the `curves` (step -> value) move most by their logarithm.

    The first, the last, and of each step in `always` the nearest earlier are among them, even beyond `count`.
    """
    if len(steps) <= count:
        return list(steps)
    fixed = {steps[0], steps[-1]} | {max(s for s in steps if s <= step) for step in always if step >= steps[0]}
    density = np.full(len(steps) - 1, _EVEN / (len(steps) - 1))
    for curve in curves:
        moved = np.abs(np.diff(_logarithm(steps, curve)))
        if moved.sum() > 0:
            density += moved / moved.sum()
    total = np.concatenate([[0.0], np.cumsum(density)])
    chosen = {steps.index(step) for step in fixed}
    for goal in np.linspace(0, total[-1], max(2, count)):
        if len(chosen) < count:
            chosen.add(int(np.abs(total - goal).argmin()))
    while len(chosen) < count:
        chosen.add(_between(sorted(chosen), total))
    return [steps[index] for index in sorted(chosen)]


def _between(chosen: Sequence[int], total: Floats) -> int:
    """What halves the widest gap, by information, that has a step in it: a jump took the place of several goals."""
    gaps = [(total[high] - total[low], -low, low, high) for low, high in pairwise(chosen) if high - low > 1]
    _, _, low, high = max(gaps)
    inside = total[low + 1 : high]
    return low + 1 + int(np.abs(inside - (total[low] + total[high]) / 2).argmin())


def _logarithm(steps: Sequence[int], curve: Mapping[int, float]) -> Floats:
    """log of a curve at the steps, between its points on a line; all 0 where it has no positive finite value."""
    known = {step: value for step, value in curve.items() if np.isfinite(value) and value > 0}
    if not known:
        return np.zeros(len(steps))
    at = sorted(known)
    return np.interp(steps, at, np.log([known[step] for step in at]))


def curve_rows(values: Floats, most: int) -> npt.NDArray[np.int64]:
    """Which of a curve's values, in order, stand for all: at most about `most` finite ones.

    In each of `most / 4` buckets of equal count the first, the last, the least and the greatest; and of every stretch
    of NaN, +inf or -inf its first and its last.
    """
    if len(values) <= most:
        return np.arange(len(values))
    kept = {0, len(values) - 1, *_stretch_ends(values)}
    edges = np.linspace(0, len(values), max(1, most // 4) + 1).astype(int)
    for low, high in pairwise(edges):
        finite = low + np.flatnonzero(np.isfinite(values[low:high]))
        if finite.size:
            inside = values[finite]
            kept |= {finite[0], finite[-1], finite[inside.argmin()], finite[inside.argmax()]}
    return np.array(sorted(int(k) for k in kept), np.int64)


def _stretch_ends(values: Floats) -> set[int]:
    kind = np.where(np.isnan(values), 1, np.where(np.isposinf(values), 2, np.where(np.isneginf(values), 3, 0)))
    change = np.flatnonzero(np.diff(kind))
    ends: set[Any] = {*change, *(change + 1), 0, len(values) - 1}
    return {int(k) for k in ends if kind[k]}
