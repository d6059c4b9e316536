"""The hyperparameters of a model, and the shapes that follow from them; nothing here needs PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activation = Literal["gelu_tanh", "gelu", "relu"]
LayerNorm = Literal["pre", "none"]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The hyperparameters of a model; the defaults are GPT-2's.

    `init_std` is the standard deviation of every weight matrix; with `init_residual` the two projections into the
    residual stream get init_std / sqrt(2 L), as in GPT-2. `fc1_band` and `fc2_band` keep the entries (i, j) of the
    MLP's matrices with |i - j| > band at zero.
    """

    n_layer: int
    n_head: int
    n_embd: int
    mlp_width: int
    block_size: int
    vocab_size: int
    activation: Activation = "gelu_tanh"
    layernorm: LayerNorm = "pre"
    layernorm_eps: float = 1e-5
    bias: bool = True
    tied_embeddings: bool = True
    init_std: float = 0.02
    init_residual: bool = True
    fc1_band: int | None = None
    fc2_band: int | None = None

    def __post_init__(self) -> None:
        sizes = ("n_layer", "n_head", "n_embd", "mlp_width", "block_size", "vocab_size")
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        if self.n_embd % self.n_head:
            raise ValueError(f"width {self.n_embd} is no multiple of {self.n_head} heads")
        for name in ("fc1_band", "fc2_band"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give 0 or more")

    def shapes(self) -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
        """(dims, shape) of each parameter by name, in llm.c's order; what the options leave out is absent."""
        L, C, M = self.n_layer, self.n_embd, self.mlp_width
        norm, bias = self.layernorm == "pre", self.bias
        per_channel = (("layer", "channel"), (L, C))
        table = [
            (True, "wte", (("token", "channel"), (self.vocab_size, C))),
            (True, "wpe", (("position", "channel"), (self.block_size, C))),
            (norm, "ln1w", per_channel),
            (norm and bias, "ln1b", per_channel),
            (True, "qkvw", (("layer", "out", "in"), (L, 3 * C, C))),
            (bias, "qkvb", (("layer", "out"), (L, 3 * C))),
            (True, "attprojw", (("layer", "out", "in"), (L, C, C))),
            (bias, "attprojb", (("layer", "out"), (L, C))),
            (norm, "ln2w", per_channel),
            (norm and bias, "ln2b", per_channel),
            (True, "fcw", (("layer", "out", "in"), (L, M, C))),
            (bias, "fcb", (("layer", "out"), (L, M))),
            (True, "fcprojw", (("layer", "out", "in"), (L, C, M))),
            (bias, "fcprojb", (("layer", "out"), (L, C))),
            (norm, "lnfw", (("channel",), (C,))),
            (norm and bias, "lnfb", (("channel",), (C,))),
            (not self.tied_embeddings, "unembed", (("token", "channel"), (self.vocab_size, C))),
        ]
        return {name: entry for present, name, entry in table if present}
