"""The GPT-2 adapter: which tensors of a `strobe.train.model.GPT` a Recorder takes, under llm.c's names.

L layers, C width, F MLP width, H heads, B probe sequences of T positions.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from strobe.record.recorder import Recorder
from strobe.record.tensors import RecorderError, TensorSpec
from strobe.train.model import GPT, Taps

MAX_PROBE = (16, 256)


def model_entry(model: GPT) -> dict[str, Any]:
    """The manifest's `model` for this model."""
    config = dataclasses.asdict(model.config)
    return {"family": "gpt2", **config, "n_params": model.count()}


class Gpt2Recorder(Recorder):
    """A Recorder of parameters, gradients, Adam norms, and one forward pass over the probe.

    `probe` (B, T), at most 16 sequences of 256 tokens, stays the same all run long. `snapshot` belongs between the
    backward pass and the update; set `batch` before it to the tokens of that step, over which the statistics of
    activations are taken (without it: over the probe). Other keyword arguments are the Recorder's.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        model: GPT,
        optimizer: torch.optim.Optimizer | None,
        probe: Tensor,
        **options: Any,
    ) -> None:
        if probe.shape[0] > MAX_PROBE[0] or probe.shape[1] > MAX_PROBE[1]:
            raise RecorderError(f"the probe is {list(probe.shape)}; at most {list(MAX_PROBE)} is recorded")
        self._model, self._optimizer, self._probe = model, optimizer, probe
        self.batch: Tensor | None = None
        self._taps, self._batch_taps = Taps(), Taps()
        specs = [*self._parameters(), *self._gradients(), *self._forward(), *self._activations()]
        if optimizer is not None:
            specs += self._norms()
        options.setdefault("model", model_entry(model))
        super().__init__(folder, specs, prepare=self._observe, **options)

    def _observe(self) -> None:
        with torch.no_grad():
            self._taps = Taps()
            self._model(self._probe, taps=self._taps)
            self._batch_taps = self._taps
            if self.batch is not None:
                self._batch_taps = Taps()
                self._model(self.batch, taps=self._batch_taps)

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
            assert self._taps.encoded is not None
            return self._taps.encoded

        def attention() -> Tensor:
            return torch.stack(self._taps.attention)

        def residual() -> Tensor:
            return torch.stack(self._taps.residual)

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
            return torch.stack([x.square().mean().sqrt() for x in self._batch_taps.residual])

        def active() -> Tensor:
            return torch.stack([(x > 0).float().mean((0, 1)) for x in self._batch_taps.preactivation])

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
            return lambda: torch.stack([self._batch_taps.moments[first + 2 * n][part].mean() for n in range(count)])

        return [
            TensorSpec(f"{norm}_{what}", "activations", (dim,), moment(first, part, n), (n,), "float32")
            for norm, first, n, dim in (("ln1", 0, L, "layer"), ("ln2", 1, L, "layer"), ("lnf", 2 * L, 1, "one"))
            for part, what in enumerate(("mean", "rstd"))
        ]

    def _norms(self) -> list[TensorSpec]:
        """L2 norms of Adam's moments, a layer each where the tensor is stacked; 0 before the first update."""

        def norm(parameter: Tensor, key: str, stacked: bool) -> Callable[[], Tensor]:
            def read() -> Tensor:
                assert self._optimizer is not None
                state: Mapping[str, Tensor] = self._optimizer.state.get(parameter, {})
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
