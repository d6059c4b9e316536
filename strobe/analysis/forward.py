"""The GPT-2 family in numpy: what a snapshot's own parameters make of given tokens, without torch.

Letters: L layers, B sequences, T positions, H heads, D channels a head, C width (H D unless a head's size is given),
F MLP width, V vocabulary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.architecture import Architecture
from strobe.analysis.block import PER_LAYER, Parameters, block, linear, norm

Array = npt.NDArray[Any]

_VALUES = 1 << 25


class Pass(NamedTuple):
    """What a forward pass went through. With a `position` the axis in brackets is absent."""

    logits: Array
    """(B, [T], V)."""
    attention: Array
    """(L, B, H, [T], T): of the queries on the keys, after softmax; with a position, on the keys 0..position."""
    preactivation: Array
    """(L, B, [T], F): before the MLP's nonlinearity."""
    activation: Array
    """(L, B, [T], F): after it."""
    residual: Array
    """(L, B, [T], C): after each block."""


def forward(
    params: Parameters,
    architecture: Architecture,
    tokens: Array,
    *,
    position: int | None = None,
    dtype: npt.DTypeLike = np.float32,
    batch: int | None = None,
) -> Pass:
    """Run `tokens` (B, T), integers, through the model whose `params` carry llm.c's names ("wte", "qkvw", ..).

    Layers are stacked on the first axis; absent biases add nothing. With `position` (negative: from the end) only
    what that position shows is kept, and the last layer computes no other. `batch` sequences go through at a time (by
    default as many as keep one array of the MLP near 128 MB). Results have `dtype`; float32 agrees with PyTorch to
    about 1e-6 of the largest logit. Raises KeyError for a missing weight, ValueError for tokens that do not fit.
    """
    tokens = np.asarray(tokens)
    weights = {name: np.asarray(value, dtype) for name, value in params.items()}
    _check(tokens, weights, position)
    _check_heads(weights, architecture)
    if position is not None:
        # Attention is causal: nothing after the position can reach it.
        tokens = tokens[:, : range(tokens.shape[1])[position] + 1]
    batch = batch or max(1, _VALUES // (tokens.shape[1] * weights["fcw"].shape[1]))
    parts = [
        _run(weights, architecture, tokens[start : start + batch], position is not None)
        for start in range(0, len(tokens), batch)
    ]
    if len(parts) == 1:
        return parts[0]
    logits, *others = zip(*parts, strict=True)
    return Pass(np.concatenate(logits), *(np.concatenate(each, axis=1) for each in others))


def _check(tokens: Array, weights: Parameters, position: int | None) -> None:
    if tokens.ndim != 2 or tokens.dtype.kind not in "iu" or not tokens.size:
        raise ValueError(f"tokens of shape {tokens.shape}, {tokens.dtype}, are not integers (sequences, positions)")
    vocabulary, positions = len(weights["wte"]), len(weights["wpe"])
    if tokens.shape[1] > positions:
        raise ValueError(f"{tokens.shape[1]} positions are more than the model's {positions}")
    if not 0 <= tokens.min() <= tokens.max() < vocabulary:
        raise ValueError(f"tokens {tokens.min()}..{tokens.max()} are not all in 0..{vocabulary - 1}")
    if position is not None and not -tokens.shape[1] <= position < tokens.shape[1]:
        raise ValueError(f"position {position} is not one of {tokens.shape[1]}")


def _check_heads(weights: Parameters, architecture: Architecture) -> None:
    rows, C = weights["qkvw"].shape[1:]
    D = architecture.head_size or C // architecture.n_head
    if rows != (architecture.n_head + 2 * architecture.kv_heads) * D:
        raise ValueError(f"qkvw has {rows} rows, not those of {architecture.n_head} heads of {D}")


def _run(weights: Parameters, architecture: Architecture, tokens: Array, last_only: bool) -> Pass:
    x, index = _embedded(weights, tokens)
    seen: list[tuple[Array, ...]] = []
    for number in range(architecture.n_layer):
        layer = {name: weights[name][number] for name in PER_LAYER if name in weights}
        final = last_only and number == architecture.n_layer - 1
        x, *taps = block(x, index, layer, architecture, final)
        index = None
        # The last layer has the one position already; the others are cut to it.
        seen.append(tuple(tap[..., -1, :] if last_only else tap for tap in taps))
    x = norm(x[:, -1] if last_only else x, weights.get("lnfw"), weights.get("lnfb"), architecture)
    unembed = weights["wte" if architecture.tied_embeddings else "unembed"]
    return Pass(linear(x, unembed, weights.get("unembedb")), *map(_stacked, zip(*seen, strict=True)))


def _stacked(layers: tuple[Array, ...]) -> Array:
    """(L, ...), not copied where there is one layer: all p * p inputs of a sum make tens of megabytes."""
    return layers[0][None] if len(layers) == 1 else np.stack(layers)


def _embedded(weights: Parameters, tokens: Array) -> tuple[Array, Array | None]:
    """Token plus position embedding as (B, T, C) and no index; or as rows (R, C) and which row stands where, (B, T).

    Before the first attention a row depends on its token and position alone. Where there are more sequences than
    tokens, as for all p * p inputs of modular addition, each such row is then projected once.
    """
    T = tokens.shape[1]
    wte, wpe = weights["wte"], weights["wpe"][:T]
    if len(tokens) <= len(wte):
        return wte[tokens] + wpe, None
    return (wte[:, None] + wpe).reshape(-1, wte.shape[1]), tokens.astype(np.int64) * T + np.arange(T)
