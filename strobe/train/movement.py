"""When a training has moved far enough since its last snapshot to be recorded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

LOSS_FALL: Final = 0.05
"""Share of the validation loss at the last snapshot by which it has to have fallen."""
NORM_CHANGE: Final = 0.02
"""Share of the weights' L2 norm at the last snapshot by which it has to differ."""


@dataclass
class Movement:
    """Validation loss and the L2 norm of all weights at the last snapshot; None before the first."""

    since: tuple[float, float] | None = None

    def is_far(self, val_loss: float, norm: float) -> bool:
        """Whether the loss has fallen by 5% or the norm changed by 2%; what is no number has done neither."""
        if self.since is None:
            return True
        loss_then, norm_then = self.since
        return val_loss <= (1 - LOSS_FALL) * loss_then or abs(norm - norm_then) >= NORM_CHANGE * norm_then


def weight_norm(parameters: Sequence[Tensor]) -> float:
    """L2 norm over the entries of all parameters together."""
    return float(torch.nn.utils.get_total_norm([parameter.detach() for parameter in parameters]))
