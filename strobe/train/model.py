"""GPT-2 in PyTorch, with the options that turn it into the one-layer transformer of the grokking papers.

Parameters are stacked by layer and carry llm.c's names and shapes, so that recording them, comparing them with the
CUDA trainer's and updating them with one multi-tensor AdamW need no renaming. L layers, C width, F MLP width,
V vocabulary, P positions, H heads, B sequences, T positions of a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strobe.train.model_config import ModelConfig

_PER_LAYER = (
    *("ln1w", "ln1b", "qkvw", "qkvb", "attprojw", "attprojb"),
    *("ln2w", "ln2b", "fcw", "fcb", "fcprojw", "fcprojb"),
)


def band_mask(rows: int, columns: int, band: int) -> Tensor:
    """1 where |row - column| <= band, else 0: float32, shape (rows, columns)."""
    distance = torch.arange(rows)[:, None] - torch.arange(columns)[None, :]
    return (distance.abs() <= band).float()


@dataclass(slots=True)
class Taps:
    """What one forward pass went through, when asked: each list has one entry a layer."""

    encoded: Tensor | None = None
    """(B, T, C): token plus position embedding."""
    attention: list[Tensor] = field(default_factory=list)
    """(B, H, T, T) after softmax; the upper triangle exactly 0."""
    residual: list[Tensor] = field(default_factory=list)
    """(B, T, C) after the block."""
    preactivation: list[Tensor] = field(default_factory=list)
    """(B, T, F) before the MLP's nonlinearity."""
    moments: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """(mean, rstd), each (B, T), of every LayerNorm in forward order."""


@dataclass(slots=True)
class Past:
    """Keys and values of the positions that a model has gone through, a layer each, (B, positions, H, C / H)."""

    layers: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    @property
    def positions(self) -> int:
        """How many there are."""
        return self.layers[0][0].shape[1] if self.layers else 0

    def grown(self, number: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Those of a layer with these behind them, which it holds from now on."""
        if number < len(self.layers):
            before = self.layers[number]
            self.layers[number] = torch.cat([before[0], keys], 1), torch.cat([before[1], values], 1)
        else:
            self.layers.append((keys, values))
        return self.layers[number]


class GPT(nn.Module):
    """A decoder-only transformer; `forward` gives logits, and fills `taps` when it is given one."""

    def __init__(self, config: ModelConfig, seed: int = 0) -> None:
        """Weights are drawn on the CPU from `seed` in the order of `config.shapes()`, whatever the device later."""
        super().__init__()
        self.config = config
        generator = torch.Generator().manual_seed(seed)
        for name, (_, shape) in config.shapes().items():
            self.register_parameter(name, nn.Parameter(self._initial(name, shape, generator)))
        self._register_band("fcw", config.fc1_band)
        self._register_band("fcprojw", config.fc2_band)

    def _initial(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        if name.endswith("b"):
            return torch.zeros(shape)
        if name.startswith("ln"):
            return torch.ones(shape)
        std = self.config.init_std
        if self.config.init_residual and name in ("attprojw", "fcprojw"):
            std /= math.sqrt(2 * self.config.n_layer)
        return torch.empty(shape).normal_(0.0, std, generator=generator)

    def _register_band(self, name: str, band: int | None) -> None:
        if band is None:
            self.register_buffer(f"{name}_mask", None, persistent=False)
            return
        weight = self.get_parameter(name)
        mask = band_mask(weight.shape[1], weight.shape[2], band)
        self.register_buffer(f"{name}_mask", mask, persistent=False)
        with torch.no_grad():
            weight.mul_(mask)

    def _stacked(self, name: str) -> tuple[Tensor | None, ...]:
        """A parameter's layers; `None` for each layer where the model has no such parameter."""
        weight = self._parameters.get(name)
        if weight is None:
            return (None,) * self.config.n_layer
        mask = self._buffers.get(f"{name}_mask")
        # Masking in the forward pass also zeroes the gradient there, so that Adam never moves those entries.
        masked = weight if mask is None else weight * mask
        # A view where one suffices: the gradient of `unbind` is a copy.
        return (masked.squeeze(0),) if self.config.n_layer == 1 else masked.unbind(0)

    def _norm(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, taps: Taps | None) -> Tensor:
        if self.config.layernorm == "none":
            return x
        if taps is not None:
            variance, mean = torch.var_mean(x, dim=-1, correction=0)
            taps.moments.append((mean, torch.rsqrt(variance + self.config.layernorm_eps)))
        return F.layer_norm(x, x.shape[-1:], weight, bias, self.config.layernorm_eps)

    def _activate(self, x: Tensor) -> Tensor:
        if self.config.activation == "relu":
            return torch.relu(x)
        return F.gelu(x, approximate="tanh" if self.config.activation == "gelu_tanh" else "none")

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, taps: Taps | None) -> Tensor:
        """q (B, S, H, D) asks for the last S of k's T positions; returns (B, S, H, D)."""
        asked, given = q.shape[1], k.shape[1]
        if asked == 1 and taps is None:
            # One query a sequence: products and sums beat thousands of tiny matrix products.
            weights = ((q * k).sum(-1) * (1.0 / math.sqrt(q.shape[-1]))).softmax(dim=1)
            return (weights[..., None] * v).sum(1, keepdim=True)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        if taps is None and given > 8:
            return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
        scores = q @ k.transpose(-1, -2) * (1.0 / math.sqrt(q.shape[-1]))
        if asked > 1:
            future = torch.ones(asked, given, dtype=torch.bool, device=q.device).triu(1)
            scores = scores.masked_fill(future, -math.inf)
        attention = scores.softmax(dim=-1)
        if taps is not None:
            taps.attention.append(attention)
        return (attention @ v).transpose(1, 2)

    def _attention(
        self, x: Tensor, layer: dict[str, Any], last: bool, taps: Taps | None, past: Past | None, number: int
    ) -> Tensor:
        B, _, C = x.shape
        H = self.config.n_head
        biases = (None, None, None) if layer["qkvb"] is None else layer["qkvb"].split(C)
        # Splitting the weight, not the product, spares the backward pass a copy of the larger one.
        sources = (x[:, -1] if last else x, x, x)
        q, k, v = (
            F.linear(source, weight, bias).view(B, -1, H, C // H)
            for source, weight, bias in zip(sources, layer["qkvw"].split(C), biases, strict=True)
        )
        if past is not None:
            k, v = past.grown(number - 1, k, v)
        mixed = self._attend(q, k, v, taps).reshape(sources[0].shape)
        return F.linear(mixed, layer["attprojw"], layer["attprojb"])

    def _mlp(self, x: Tensor, layer: dict[str, Any], taps: Taps | None) -> Tensor:
        hidden = F.linear(x, layer["fcw"], layer["fcb"])
        if taps is not None:
            taps.preactivation.append(hidden)
        return F.linear(self._activate(hidden), layer["fcprojw"], layer["fcprojb"])

    def forward(
        self, tokens: Tensor, *, last_only: bool = False, taps: Taps | None = None, past: Past | None = None
    ) -> Tensor:
        """Logits (B, T, V) of integer `tokens` (B, T); with `last_only` those of the last position, (B, V).

        `last_only` leaves out what no later position reads, which saves up to two thirds on sequences of three.
        With a `past` that is not empty, T is 1: the tokens follow the positions that it holds, and it takes them in.
        """
        first = past.positions if past is not None else 0
        end = first + tokens.shape[1]
        wte, wpe = self.get_parameter("wte"), self.get_parameter("wpe")
        x = F.embedding(tokens, wte) + wpe[first:end]
        if taps is not None:
            taps.encoded = x
        stacked = [self._stacked(name) for name in _PER_LAYER]
        for number, values in enumerate(zip(*stacked, strict=True), 1):
            layer = dict(zip(_PER_LAYER, values, strict=True))
            last = last_only and number == self.config.n_layer
            normed = self._norm(x, layer["ln1w"], layer["ln1b"], taps)
            x = (x[:, -1] if last else x) + self._attention(normed, layer, last, taps, past, number)
            x = x + self._mlp(self._norm(x, layer["ln2w"], layer["ln2b"], taps), layer, taps)
            if taps is not None:
                taps.residual.append(x)
        x = self._norm(x, self._parameters.get("lnfw"), self._parameters.get("lnfb"), taps)
        return F.linear(x, wte if self.config.tied_embeddings else self.get_parameter("unembed"))

    @torch.no_grad()
    def observe(self, tokens: Tensor) -> Taps:
        """What one forward pass over `tokens` (B, T) goes through, without gradients."""
        taps = Taps()
        self(tokens, taps=taps)
        return taps

    def count(self) -> int:
        """The number of parameters, each shared one once."""
        return sum(parameter.numel() for parameter in self.parameters())
