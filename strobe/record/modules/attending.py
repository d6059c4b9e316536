"""Attention weights of any model's forward pass, as they come to be: asked for, seen, or computed from q and k."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_SOFTMAX: Final = (torch.softmax, F.softmax, Tensor.softmax)
_NEED_WEIGHTS, _AVERAGE = 4, 6
"""Where nn.MultiheadAttention.forward has those arguments."""


class Attending(TorchFunctionMode):
    """Inside it, `note` is given attention weights (batch, head, query, key) whenever some are computed.

    Those of `scaled_dot_product_attention` are computed again from its q and k; a softmax over the last of four axes
    is taken for attention where `attends` says that the module at work may.
    """

    def __init__(self, note: Callable[[Tensor], None], attends: Callable[[], bool]) -> None:
        super().__init__()
        self._note, self._attends = note, attends

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self._note(weights(*args, **given))
            return func(*args, **given)
        result = func(*args, **given)
        if func in _SOFTMAX and result.dim() == 4 and self._attends():
            dim = given.get("dim", args[1] if len(args) > 1 else None)
            if dim in (-1, 3):
                self._note(result)
        return result


def weights(
    query: Tensor,
    key: Tensor,
    value: Tensor,  # noqa: ARG001
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,  # noqa: ARG001
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(q kᵀ × scale + mask) in float32, as `scaled_dot_product_attention` documents it: (..., query, key). A
    query that may look at nothing has zeros."""
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    scores = query.float() @ key.float().transpose(-2, -1) * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        masked = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if masked else scores + attn_mask
    return scores.softmax(-1).nan_to_num(0.0)


def with_weights(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of nn.MultiheadAttention.forward that ask for the weights of each head."""
    positional = list(args)
    for place, name, value in ((_NEED_WEIGHTS, "need_weights", True), (_AVERAGE, "average_attn_weights", False)):
        if len(positional) > place:
            positional[place] = value
        else:
            kwargs = {**kwargs, name: value}
    return tuple(positional), kwargs
