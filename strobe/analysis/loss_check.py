"""Whether what a run logged is what its snapshots give when they are run again, and what to think where it is not.

The one check that sees a wrong split, a transposed matrix, a bias left out and a log that is one step off alike: each
changes the loss. Losses in nats, accuracies as shares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

METRICS: Final = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
LOSS_FLOOR: Final = 1e-6
"""Nats that a logged loss may be off whatever its size: a float32 log-softmax bottoms out near 1e-7."""

EXCHANGED: Final = "train and validation rows look exchanged"
OTHER_ROWS: Final = "over all inputs the model does what was logged, so other rows are train: another seed or split"
OTHER_STEP: Final = "the log fits the parameters of a neighbouring step: logged before the update, or after it"
OTHER_MODEL: Final = (
    "another split or seed, a matrix that lies the other way, a bias or norm that was not recorded, parameters of "
    "another step, lower precision, or a loss over other classes or positions"
)


class Tolerance(NamedTuple):
    """What a logged value may differ by."""

    loss: float
    """As a share of the larger of the two."""
    accuracy: float
    """As a share of the inputs."""


EXACT: Final = Tolerance(0.02, 0.005)
"""Of parameters that were recorded in float32, or in float16: there the embedded run's losses are off by 0.06%."""
REDUCED: Final = Tolerance(0.1, 0.02)
"""Of parameters that were kept as bfloat16 or in 8 bits."""


def agrees(metric: str, logged: float, computed: float, tolerance: Tolerance) -> bool:
    """Whether the two finite values are one, up to the tolerance."""
    if metric.endswith("accuracy"):
        return abs(logged - computed) <= tolerance.accuracy
    return abs(logged - computed) <= tolerance.loss * max(abs(logged), abs(computed)) + LOSS_FLOOR


Values = Mapping[str, float]
"""By metric; those that are not known are absent."""


def likely_reason(
    metric: str,
    logged: Values,
    computed: Values,
    tolerance: Tolerance,
    *,
    train_share: float | None = None,
    beside: tuple[float, ...] = (),
) -> str:
    """Why `metric` disagrees at one step, as far as the other values there tell.

    `train_share` is the share of the inputs that are train; `beside` is what was logged a step earlier and later.
    """
    own = metric.partition("_")[2]
    # A train loss of a minibatch says nothing of the rows; the accuracies beside it may.
    for kind in (own, "accuracy" if own == "loss" else "loss"):
        if why := _of_rows(f"train_{kind}", f"val_{kind}", logged, computed, tolerance, train_share):
            return why
    if any(math.isfinite(value) and agrees(metric, value, computed[metric], tolerance) for value in beside):
        return OTHER_STEP
    return OTHER_MODEL


def _of_rows(
    train: str, val: str, logged: Values, computed: Values, tolerance: Tolerance, train_share: float | None
) -> str:
    """Why a pair of which at least one disagrees may be that of other rows; empty where nothing speaks for it."""
    if not all(name in values for name in (train, val) for values in (logged, computed)):
        return ""
    if all(agrees(name, logged[name], computed[name], tolerance) for name in (train, val)):
        return ""
    if all(agrees(one, logged[one], computed[other], tolerance) for one, other in ((train, val), (val, train))):
        return EXCHANGED
    right = train_share is not None and _overall(train, val, logged, computed, tolerance, train_share)
    return OTHER_ROWS if right else ""


def _overall(
    train: str, val: str, logged: Values, computed: Values, tolerance: Tolerance, train_share: float
) -> bool:
    """Whether the mean over all inputs agrees: it is the same whatever the split."""
    means = [train_share * each[train] + (1 - train_share) * each[val] for each in (logged, computed)]
    return agrees(train, means[0], means[1], tolerance)
