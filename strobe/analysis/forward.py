"""The GPT-2 family in numpy: what a snapshot's own parameters make of given tokens, without torch.

Letters: L layers, B sequences, T positions, H heads, D channels a head, C width (H D unless a head's size is given),
F MLP width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.run.roles import LLMC_ROLES

Array = npt.NDArray[Any]
Parameters = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the parameters do not tell by themselves."""

    n_layer: int
    n_head: int
    activation: str
    """"gelu_tanh", "gelu" or "relu"."""
    layernorm: str
    """"pre" or "none"."""
    layernorm_eps: float
    tied_embeddings: bool
    head_size: int | None = None
    """D, where it is not C / H."""
    n_kv_head: int | None = None
    """How many heads of keys and values there are, where they are fewer than those of queries."""

    @classmethod
    def of(cls, model: Mapping[str, Any]) -> Architecture:
        """From the `model` object of a manifest. Raises ValueError for another family, KeyError for what it lacks."""
        if model.get("family") != "gpt2":
            raise ValueError(f"model family {model.get('family')!r} has no forward pass here; only 'gpt2' has")
        optional = ("head_size", "n_kv_head")
        return cls(**{name: model[name] for name in cls.__slots__ if name not in optional or name in model})

    @property
    def kv_heads(self) -> int:
        """How many heads of keys and values there are."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    def __post_init__(self) -> None:
        for name in ("head_size", "n_kv_head"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name} is {value!r:.80}, not an integer from 1 on")
        if self.n_head % self.kv_heads:
            raise ValueError(f"n_head {self.n_head} is no multiple of n_kv_head {self.n_kv_head}")
        if self.activation not in _ACTIVATIONS or self.layernorm not in ("pre", "none"):
            raise ValueError(f"no activation {self.activation!r} with layernorm {self.layernorm!r} is known")


_VALUES = 1 << 25

_OF_ROLE: Mapping[str, str] = {role: name for name, role in LLMC_ROLES.items() if role not in ("norm", "bias")}
"""Role -> the name under which `forward` takes the one weight that has it."""


def weight_names(roles: Mapping[str, str | None]) -> dict[str, str]:
    """Under which name `forward` takes each params tensor: the model's name -> llm.c's, given the model's -> role.

    Norms and biases have one role each and go by llm.c's names; tensors without a role, or with "other", are left
    out. Raises ValueError for a tensor that has no place here (it would be ignored), and for two in one place.
    """
    names: dict[str, str] = {}
    for name, role in roles.items():
        if role is None or role == "other":
            continue
        place = _OF_ROLE.get(role, name)
        if LLMC_ROLES.get(place) != role:
            raise ValueError(f"its tensor {name!r}, role {role}, has no place in the forward pass of GPT-2")
        if place in names.values():
            raise ValueError(f"two of its tensors have the role {role}")
        names[name] = place
    return names


def missing_weights(names: Iterable[str], architecture: Architecture) -> list[str]:
    """What a forward pass needs, by llm.c's names, and is not among `names`; biases and norms may be absent."""
    needed = [name for name in _OF_ROLE.values() if name != "unembed" or not architecture.tied_embeddings]
    return [name for name in needed if name not in set(names)]


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
        layer = {name: weights[name][number] for name in _PER_LAYER if name in weights}
        final = last_only and number == architecture.n_layer - 1
        x, *taps = _block(x, index, layer, architecture, final)
        index = None
        # The last layer has the one position already; the others are cut to it.
        seen.append(tuple(tap[..., -1, :] if last_only else tap for tap in taps))
    x = _norm(x[:, -1] if last_only else x, weights.get("lnfw"), weights.get("lnfb"), architecture)
    unembed = weights["wte" if architecture.tied_embeddings else "unembed"]
    return Pass(_linear(x, unembed, weights.get("unembedb")), *(np.stack(each) for each in zip(*seen, strict=True)))


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


def _pick(x: Array, index: Array | None, last: bool) -> Array:
    """What stands at every position, or at the last one: (B, T or 1, C) of (B, T, C), or of rows and their index."""
    if index is None:
        return x[:, -1:] if last else x
    return x[index[:, -1:] if last else index]


_PER_LAYER = (
    *("ln1w", "ln1b", "qkvw", "qkvb", "attprojw", "attprojb"),
    *("ln2w", "ln2b", "fcw", "fcb", "fcprojw", "fcprojb"),
)


def _block(
    x: Array, index: Array | None, layer: Parameters, architecture: Architecture, final: bool
) -> tuple[Array, ...]:
    """x (B, T, C) after one block, or its last position alone (B, 1, C) when `final`; and what `Pass` keeps."""
    normed = _norm(x, layer.get("ln1w"), layer.get("ln1b"), architecture)
    mixed, attention = _attention(normed, index, layer, architecture, final)
    x = _pick(x, index, final) + mixed
    hidden = _norm(x, layer.get("ln2w"), layer.get("ln2b"), architecture)
    preactivation = _linear(hidden, layer["fcw"], layer.get("fcb"))
    activation = _ACTIVATIONS[architecture.activation](preactivation)
    x = x + _linear(activation, layer["fcprojw"], layer.get("fcprojb"))
    return x, attention, preactivation, activation, x


def _linear(x: Array, weight: Array, bias: Array | None) -> Array:
    # One large product instead of one a sequence.
    flat: Array = x.reshape(-1, x.shape[-1]) @ weight.T
    if bias is not None:
        flat += bias
    return flat.reshape(*x.shape[:-1], len(weight))


def _norm(x: Array, weight: Array | None, bias: Array | None, architecture: Architecture) -> Array:
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
            made = _linear(_pick(x, None, last), weight, bias)
        else:
            made = _pick(_linear(x, weight, bias), index, last)
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
    return _linear(mixed, layer["attprojw"], layer.get("attprojb")), weights


def _relu(x: Array) -> Array:
    positive: Array = np.maximum(x, x.dtype.type(0))
    return positive


def _gelu(x: Array) -> Array:
    from scipy.special import erf  # type: ignore[import-untyped]

    half = x.dtype.type(0.5)
    exact: Array = half * x * (1 + erf(x * x.dtype.type(math.sqrt(0.5))))
    return exact


def _gelu_tanh(x: Array) -> Array:
    inner = x * x
    inner *= x.dtype.type(0.044715)
    inner += x.dtype.type(1)
    inner *= x
    inner *= x.dtype.type(math.sqrt(2 / math.pi))
    np.tanh(inner, out=inner)
    inner += x.dtype.type(1)
    inner *= x
    inner *= x.dtype.type(0.5)
    return inner


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"gelu_tanh": _gelu_tanh, "gelu": _gelu, "relu": _relu}
