"""The GPT-2 source: which tensors of a decoder-only transformer a Recorder takes, under llm.c's names.

L layers, C width, F MLP width, H heads, B probe sequences of T positions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from strobe.record.errors import RecorderError
from strobe.record.source import TensorSource
from strobe.record.tensors import TensorSpec

MAX_PROBE = (16, 256)

Shapes = dict[str, tuple[tuple[str, ...], tuple[int, ...]]]
"""(dims, shape) of each parameter by name."""


class Gpt2Config(Protocol):
    """The model's hyperparameters: a dataclass whose fields are the manifest's `model`."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def n_layer(self) -> int: ...
    @property
    def n_head(self) -> int: ...
    @property
    def n_embd(self) -> int: ...
    @property
    def mlp_width(self) -> int: ...
    @property
    def layernorm(self) -> str: ...

    def shapes(self) -> Shapes:
        """Every parameter, in the order of the file; an axis `layer` comes first."""
        ...


class ForwardPass(Protocol):
    """What one forward pass over (B, T) tokens went through; each sequence has one entry a layer."""

    @property
    def encoded(self) -> Tensor | None:
        """(B, T, C): token plus position embedding."""
        ...

    @property
    def attention(self) -> Sequence[Tensor]:
        """(B, H, T, T) after softmax."""
        ...

    @property
    def residual(self) -> Sequence[Tensor]:
        """(B, T, C) after the block."""
        ...

    @property
    def preactivation(self) -> Sequence[Tensor]:
        """(B, T, F) before the MLP's nonlinearity."""
        ...

    @property
    def moments(self) -> Sequence[tuple[Tensor, Tensor]]:
        """(mean, 1 / standard deviation), each (B, T), of every LayerNorm in forward order."""
        ...


class Gpt2Model(Protocol):
    """All that this source asks of a model."""

    @property
    def config(self) -> Gpt2Config: ...

    def get_parameter(self, target: str) -> Tensor: ...

    def count(self) -> int:
        """The number of parameters, each shared one once."""
        ...

    def observe(self, tokens: Tensor) -> ForwardPass:
        """One forward pass over integer `tokens` (B, T), without gradients."""
        ...


def model_entry(model: Gpt2Model) -> dict[str, Any]:
    """The manifest's `model` for this model."""
    config = dataclasses.asdict(model.config)
    return {"family": "gpt2", **config, "n_params": model.count()}


class Written(Protocol):
    """What a model writes at a snapshot."""

    @property
    def shape(self) -> tuple[int, int]:
        """Samples, and the tokens of each."""
        ...

    def __call__(self) -> Tensor:
        """int32 of that shape."""
        ...


class Gpt2Source(TensorSource):
    """Parameters, gradients, Adam norms (with an `optimizer`), and what one forward pass over the probe leaves.

    `probe` (B, T), at most 16 sequences of 256 tokens, stays the same all run long. A snapshot belongs between the
    backward pass and the update; `batch` gives the tokens of that step, over which the statistics of activations are
    taken (None: over the probe). Raises RecorderError for a larger probe.
    """

    def __init__(
        self,
        model: Gpt2Model,
        optimizer: torch.optim.Optimizer | None,
        probe: Tensor,
        batch: Callable[[], Tensor | None] = lambda: None,
        samples: Written | None = None,
    ) -> None:
        if probe.shape[0] > MAX_PROBE[0] or probe.shape[1] > MAX_PROBE[1]:
            raise RecorderError(f"the probe is {list(probe.shape)}; at most {list(MAX_PROBE)} is recorded")
        self._model, self._optimizer, self._probe, self._batch = model, optimizer, probe, batch
        self._samples = samples
        # `prepare` makes both before anything reads them.
        self._probe_pass: ForwardPass
        self._batch_pass: ForwardPass

    def specs(self) -> Sequence[TensorSpec]:
        specs = [*self._parameters(), *self._gradients(), *self._forward(), *self._activations()]
        if self._samples is not None:
            specs.append(
                TensorSpec("tokens", "samples", ("sample", "position"), self._samples, self._samples.shape, "int32")
            )
        return specs if self._optimizer is None else specs + self._norms(self._optimizer)

    def model_entry(self) -> Mapping[str, Any]:
        return model_entry(self._model)

    def prepare(self) -> None:
        self._probe_pass = self._model.observe(self._probe)
        batch = self._batch()
        self._batch_pass = self._probe_pass if batch is None else self._model.observe(batch)

    def _parameters(self) -> list[TensorSpec]:
        shapes = self._model.config.shapes()
        return [
            TensorSpec(name, "params", dims, self._model.get_parameter(name)) for name, (dims, _) in shapes.items()
        ]

    def _gradients(self) -> list[TensorSpec]:
        def gradient(parameter: Tensor) -> Callable[[], Tensor]:
            def read() -> Tensor:
                if parameter.grad is None:
                    raise RecorderError("there are no gradients; take the snapshot after the backward pass")
                return parameter.grad

            return read

        return [
            TensorSpec(name, "grads", dims, gradient(self._model.get_parameter(name)), shape, "float32")
            for name, (dims, shape) in self._model.config.shapes().items()
        ]

    def _forward(self) -> list[TensorSpec]:
        """What the probe's forward pass leaves: attention, residual stream, tokens."""
        config, (B, T) = self._model.config, self._probe.shape
        L, H, C = config.n_layer, config.n_head, config.n_embd

        def encoded() -> Tensor:
            assert self._probe_pass.encoded is not None
            return self._probe_pass.encoded

        def attention() -> Tensor:
            return torch.stack(list(self._probe_pass.attention))

        def residual() -> Tensor:
            return torch.stack(list(self._probe_pass.residual))

        heads = ("layer", "probe", "head", "query", "key")
        stream = ("layer", "probe", "position", "channel")
        return [
            TensorSpec("att", "attention", heads, attention, (L, B, H, T, T), "float32"),
            TensorSpec("encoded", "residual", stream[1:], encoded, (B, T, C), "float32"),
            TensorSpec("residual3", "residual", stream, residual, (L, B, T, C), "float32"),
            TensorSpec("tokens", "probe", stream[1:3], self._probe.to(torch.int32)),
        ]

    def _activations(self) -> list[TensorSpec]:
        config = self._model.config
        L, F = config.n_layer, config.mlp_width

        def rms() -> Tensor:
            return torch.stack([x.square().mean().sqrt() for x in self._batch_pass.residual])

        def active() -> Tensor:
            return torch.stack([(x > 0).float().mean((0, 1)) for x in self._batch_pass.preactivation])

        specs = [
            TensorSpec("residual_rms", "activations", ("layer",), rms, (L,), "float32"),
            TensorSpec("unit_active", "activations", ("layer", "neuron"), active, (L, F), "float32"),
        ]
        if config.layernorm == "pre":
            specs += self._moments()
        return specs

    def _moments(self) -> list[TensorSpec]:
        """Mean over all positions of each LayerNorm's mean and 1 / standard deviation."""
        L = self._model.config.n_layer

        def moment(first: int, part: int, count: int) -> Callable[[], Tensor]:
            # In forward order: ln1 and ln2 of each block in turn, then the last one.
            return lambda: torch.stack([self._batch_pass.moments[first + 2 * n][part].mean() for n in range(count)])

        return [
            TensorSpec(f"{norm}_{what}", "activations", (dim,), moment(first, part, n), (n,), "float32")
            for norm, first, n, dim in (("ln1", 0, L, "layer"), ("ln2", 1, L, "layer"), ("lnf", 2 * L, 1, "one"))
            for part, what in enumerate(("mean", "rstd"))
        ]

    def _norms(self, optimizer: torch.optim.Optimizer) -> list[TensorSpec]:
        """L2 norms of Adam's moments, a layer each where the tensor is stacked; 0 before the first update."""

        def norm(parameter: Tensor, key: str, stacked: bool) -> Callable[[], Tensor]:
            def read() -> Tensor:
                state: Mapping[str, Tensor] = optimizer.state.get(parameter, {})
                rows = parameter.shape[0] if stacked else 1
                if key not in state:
                    return torch.zeros(rows)
                # The square of a tiny second moment underflows in float32.
                norms: Tensor = torch.linalg.vector_norm(state[key].reshape(rows, -1).double(), dim=1)
                return norms.float()

            return read

        return [
            TensorSpec(
                f"{short}_l2.{name}",
                "optimizer",
                ("layer",) if dims[0] == "layer" else ("one",),
                norm(self._model.get_parameter(name), key, dims[0] == "layer"),
                (shape[0] if dims[0] == "layer" else 1,),
                "float32",
            )
            for short, key in (("m", "exp_avg"), ("v", "exp_avg_sq"))
            for name, (dims, shape) in self._model.config.shapes().items()
        ]
