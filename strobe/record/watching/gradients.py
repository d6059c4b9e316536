"""Gradients as the optimizer uses them, where a gradient scaler multiplied the loss."""

from __future__ import annotations

from typing import Any, Final

_READY: Final = 0
"""The value of torch's OptState before a scaler has unscaled an optimizer's gradients."""


class Unscaling:
    """Divides gradients by the factor that is still on them.

    Inside an optimizer's step that is what the scaler left to a fused optimizer; every other one is unscaled by then.
    Between the backward pass and the step, `scaler` tells.
    """

    def __init__(self, optimizer: Any, scaler: Any) -> None:
        self._optimizer, self._scaler = optimizer, scaler
        self.in_step = False

    def __call__(self, gradient: Any) -> Any:
        scale = self._scale()
        if scale is None:
            return gradient
        return gradient / (scale.to(gradient.device) if hasattr(scale, "to") else scale)

    def _scale(self) -> Any:
        if self.in_step:
            return getattr(self._optimizer, "grad_scale", None)
        if self._scaler is None or self._optimizer is None or not self._scaler.is_enabled():
            return None
        state = self._scaler._per_optimizer_states[id(self._optimizer)]
        return self._scaler.get_scale() if state["stage"].value == _READY else None
