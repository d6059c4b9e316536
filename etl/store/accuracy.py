"""Which scale the accuracies of a run were logged on, from the least and the greatest of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

NAMES: Final = ("train_accuracy", "val_accuracy")
"""The metrics that are accuracies by the format, which are of one scale in a run."""
LEARNED: Final = 0.99
"""A share from which an accuracy may as well be 1%."""
ROUNDING: Final = 1e-3
"""What sums of low precision may add to a share of 1, or to 100 percent a hundred times of it."""
_PERCENT_FROM: Final = 2.0
"""Values that reach this are no shares that rounding pushed beyond 1."""
_SPOKEN: Final = {"train_accuracy": "train", "val_accuracy": "validation"}


class Scale(NamedTuple):
    """`unit` is "fraction" or "percent"; None where `reason` says why it cannot be told."""

    unit: str | None
    reason: str = ""


def accuracy_scale(ends: Mapping[str, tuple[float, float]], learned: float = LEARNED) -> Scale:
    """The scale of the accuracies of one run: name, of `NAMES`, -> least and greatest finite value.

    All at most 1 are shares; up to 100 with any beyond 2 they are percentages, of one scale. Not clear are negative
    values, values beyond 100, values that end between 1 and 2, and an accuracy that ends at `learned` to 1 beside a
    percentage, which may be a share or one percent; below `learned` it is not learned on either scale.
    """
    if not ends:
        return Scale(None, "no accuracy is a finite number")
    top = max(top for _, top in ends.values())
    reason = _why_not(min(low for low, _ in ends.values()), top) or _one_or_all(ends, learned)
    return Scale(None, reason) if reason else Scale("fraction" if top <= 1 + ROUNDING else "percent")


def _why_not(low: float, top: float) -> str:
    if low < 0:
        return f"accuracies go down to {low:.4g}, and neither a share nor a percentage is negative"
    if top > 100 * (1 + ROUNDING):
        return f"accuracies go up to {top:.10g}, beyond 100%"
    if 1 + ROUNDING < top < _PERCENT_FROM:
        return f"accuracies go up to {top:.10g}: more than a share can be, and hardly percentages"
    return ""


def _one_or_all(ends: Mapping[str, tuple[float, float]], learned: float) -> str:
    """Where one is a percentage and the other ends about 1."""
    least, greatest = (pick(ends, key=lambda name: ends[name][1]) for pick in (min, max))
    if ends[greatest][1] < _PERCENT_FROM or not learned <= ends[least][1] <= 1 + ROUNDING:
        return ""
    return (
        f"{_SPOKEN[greatest]} accuracy goes up to {ends[greatest][1]:.4g} and {_SPOKEN[least]} accuracy to "
        f"{ends[least][1]:.4g}, which is either all or 1%"
    )
