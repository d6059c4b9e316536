"""Where trouble with a weight's learning begins, and its names: the same beside a training loop and in a store."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

VANISHING: Final = 1e-7
"""L2 of a tensor's gradient, at most, and not 0."""
CANCELLED: Final = 1e-5
"""L2 of a bias's gradient over that of the weight beside it, at most, where what follows takes the bias out again, as
a norm or the softmax over keys does: its gradient is rounding, and none that vanishes."""
EXPLODING: Final = 1e2
"""L2 of a tensor's gradient, at least."""
STILL: Final = 1e-12
"""Update ratio of a tensor that does not move, at most."""
STILL_CHECKS: Final = 3
"""So many checks, or snapshots, one after another must find a tensor still before it is called frozen."""
HEALTHY_RATIO: Final = (1e-4, 1e-2)
"""The usual band of the update ratio of one step: a rule of thumb, no verdict."""


def check_thresholds(vanishing: float, exploding: float) -> None:
    """Raises ValueError for thresholds of a gradient's L2 that nothing or everything would pass."""
    if not 0 <= vanishing < exploding:
        raise ValueError(f"vanishing {vanishing:g} is not from 0 to below exploding {exploding:g}")


class Kind(StrEnum):
    """What can be wrong with a tensor. Those of `TROUBLE` are worth a warning; the others explain."""

    NONFINITE_GRADIENT = "gradient not finite"
    NONFINITE_WEIGHT = "weights not finite"
    EXPLODING = "exploding gradient"
    VANISHING = "vanishing gradient"
    NO_GRADIENT = "no gradient"
    ZERO_GRADIENT = "zero gradient"
    FROZEN = "frozen"
    DECAY_ALONE = "moved by weight decay alone"
    NOT_TRAINED = "frozen on purpose (requires_grad=False)"


TROUBLE: Final = (
    Kind.NONFINITE_WEIGHT, Kind.NONFINITE_GRADIENT, Kind.EXPLODING, Kind.VANISHING, Kind.FROZEN, Kind.DECAY_ALONE,
)  # fmt: skip
"""The worst first."""
