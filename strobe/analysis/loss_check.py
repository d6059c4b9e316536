"""Whether what a run logged is what its snapshots give when they are run again.

The one check that sees a wrong split, a transposed matrix, a bias left out and a log that is one step off alike: each
changes the loss. Losses in nats, accuracies as shares.
"""

from __future__ import annotations

from typing import Final, NamedTuple

METRICS: Final = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
LOSS_FLOOR: Final = 1e-6
"""Nats that a logged loss may be off whatever its size: a float32 log-softmax bottoms out near 1e-7."""


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
