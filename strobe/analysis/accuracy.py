"""Accuracies as shares: which scale two of them were logged on, and which recorded names mean them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from etl.store.accuracy import NAMES, accuracy_scale

Floats = NDArray[np.float64]

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

    Refused where `etl.store.accuracy.accuracy_scale` cannot tell it: an accuracy below `threshold` is not learned on
    either scale.
    """
    ends = {}
    for name, values in zip(NAMES, (train, val), strict=True):
        known = values[np.isfinite(values)]
        ends[name] = float(known.min()), float(known.max())
    unit, reason = accuracy_scale(ends, threshold)
    if unit is None:
        return Refusal(reason)
    whole = 100 if unit == "percent" else 1
    return Shares(_clean(train, whole), _clean(val, whole), percent=unit == "percent")


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
