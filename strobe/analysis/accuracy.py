"""Accuracies as shares: which scale two of them were logged on, and which recorded names mean them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDING: Final = 1e-6
"""What float32 sums may add to a share of 1, or to 100 percent a hundred times of it."""
_PERCENT_FROM: Final = 2.0
"""Values that reach this are no shares that rounding pushed beyond 1."""

_ACCURACY: Final = frozenset({"acc", "accuracy", "accuracies"})
_SPLITS: Final = {
    "train": frozenset({"train", "training"}),
    "val": frozenset({"val", "valid", "validation", "test", "testing", "eval", "evaluation", "dev", "heldout"}),
}


class Shares(NamedTuple):
    """Both as shares, NaN where they were not finite; `percent` where they were logged as percentages."""

    train: Floats
    val: Floats
    percent: bool


class Refusal(NamedTuple):
    """Why their scale cannot be told."""

    reason: str


def shares(train: Floats, val: Floats, threshold: float) -> Shares | Refusal:
    """Two accuracies (n,) of one run, each with a finite value, as shares.

    Both at most 1 are shares; up to 100 with either beyond 2 they are percentages, of one scale. Refused are negative
    values, values beyond 100, values that end between 1 and 2, and an accuracy at 0.99 to 1 beside a percentage,
    which may be a share or one percent; below `threshold` it is not learned on either scale.
    """
    tops = [float(values[np.isfinite(values)].max()) for values in (train, val)]
    low = min(float(values[np.isfinite(values)].min()) for values in (train, val))
    top = max(tops)
    if low < 0:
        return Refusal(f"accuracies go down to {low:.4g}, and neither a share nor a percentage is negative")
    if top <= 1 + ROUNDING:
        return Shares(_clean(train, 1), _clean(val, 1), percent=False)
    if top > 100 * (1 + ROUNDING):
        return Refusal(f"accuracies go up to {top:.6g}, beyond 100%")
    if top < _PERCENT_FROM:
        return Refusal(f"accuracies go up to {top:.4g}: more than a share can be, and hardly percentages")
    if threshold <= min(tops) <= 1 + ROUNDING:
        which, other = ("train", "validation") if tops[0] < tops[1] else ("validation", "train")
        return Refusal(
            f"{other} accuracy goes up to {top:.4g} and {which} accuracy to {min(tops):.4g}, which is either all or "
            "1%"
        )
    return Shares(_clean(train, 100), _clean(val, 100), percent=True)


def _clean(values: Floats, whole: float) -> Floats:
    return np.where(np.isfinite(values), values / whole, np.nan)


def accuracy_names(names: Iterable[str]) -> dict[str, list[str]]:
    """The names that speak of an accuracy by their words (`eval/acc`, `validAccuracy`), by "train", "val", or ""
    where they name neither split; each list in order."""
    found: dict[str, list[str]] = {"train": [], "val": [], "": []}
    for name in sorted(names):
        words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
        if words & _ACCURACY:
            splits = [split for split, known in _SPLITS.items() if words & known]
            found[splits[0] if len(splits) == 1 else ""].append(name)
    return found
