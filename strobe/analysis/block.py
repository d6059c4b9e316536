"""One transformer block in numpy, on rows or on sequences; what a forward pass is made of.

Letters: B sequences, T positions, H heads, D channels a head, C width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from strobe.analysis.architecture import Architecture
from strobe.analysis.nonlinearities import NONLINEARITIES

Array = npt.NDArray[Any]
Parameters = Mapping[str, Array]

PER_LAYER = (
    *("ln1w", "ln1b", "qkvw", "qkvb", "attprojw", "attprojb"),
    *("ln2w", "ln2b", "fcw", "fcb", "fcprojw", "fcprojb"),
)
"""By llm.c's names, the parameters that are stacked by layer."""


def block(
    x: Array, index: Array | None, layer: Parameters, architecture: Architecture, final: bool
) -> tuple[Array, ...]:
    """x (B, T, C) after one block, or its last position alone (B, 1, C) when `final`; and what `Pass` keeps."""
    normed = norm(x, layer.get("ln1w"), layer.get("ln1b"), architecture)
    mixed, attention = _attention(normed, index, layer, architecture, final)
    x = pick(x, index, final) + mixed
    hidden = norm(x, layer.get("ln2w"), layer.get("ln2b"), architecture)
    preactivation = linear(hidden, layer["fcw"], layer.get("fcb"))
    activation = NONLINEARITIES[architecture.activation](preactivation)
    x = x + linear(activation, layer["fcprojw"], layer.get("fcprojb"))
    return x, attention, preactivation, activation, x


def pick(x: Array, index: Array | None, last: bool) -> Array:
    """What stands at every position, or at the last one: (B, T or 1, C) of (B, T, C), or of rows and their index."""
    if index is None:
        return x[:, -1:] if last else x
    return x[index[:, -1:] if last else index]


def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    """x (.., C) times a weight (R, C), plus a bias (R,): (.., R)."""
    # One large product instead of one a sequence.
    flat: Array = x.reshape(-1, x.shape[-1]) @ weight.T
    if bias is not None:
        flat += bias
    return flat.reshape(*x.shape[:-1], len(weight))


def norm(x: Array, weight: Array | None, bias: Array | None, architecture: Architecture) -> Array:
    """LayerNorm over the last axis of x (.., C); x itself where the model has none."""
    if architecture.layernorm == "none":
        return x
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("...c,...c->...", centred, centred)[..., None] / x.shape[-1]
    centred /= np.sqrt(variance + x.dtype.type(architecture.layernorm_eps))
    if weight is not None:
        centred *= weight
    if bias is not None:
        centred += bias
    normed: Array = centred
    return normed


def _attention(
    x: Array, index: Array | None, layer: Parameters, architecture: Architecture, final: bool
) -> tuple[Array, Array]:
    """(B, S, C) and the weights (B, H, S, T), S = 1 when `final`, else T."""
    H, K = architecture.n_head, architecture.kv_heads
    D = architecture.head_size or x.shape[-1] // H

    def project(first: int, heads: int, last: bool) -> Array:
        rows = slice(first * D, (first + heads) * D)
        weight, bias = layer["qkvw"][rows], layer["qkvb"][rows] if "qkvb" in layer else None
        if index is None:
            made = linear(pick(x, None, last), weight, bias)
        else:
            made = pick(linear(x, weight, bias), index, last)
        return made.reshape(len(made), -1, heads, D).transpose(0, 2, 1, 3)

    q, k, v = project(0, H, final), project(H, K, False), project(H + K, K, False)
    if K != H:
        k, v = (np.repeat(each, H // K, axis=1) for each in (k, v))
    scores = q @ k.transpose(0, 1, 3, 2)
    scores *= x.dtype.type(1 / math.sqrt(D))
    if not final:
        scores[..., ~np.tri(k.shape[2], dtype=bool)] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(len(q), -1, H * D)
    return linear(mixed, layer["attprojw"], layer.get("attprojb")), weights
