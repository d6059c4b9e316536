"""What a forward pass over the same probe leaves at each snapshot: attention, and statistics of activations."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from etl.run.wrapping import unwrapped
from strobe.record.errors import RecorderError
from strobe.record.modules.capture import Capture
from strobe.record.modules.places import layer_of, unwrap
from strobe.record.modules.reduced import STATISTICS, Vector, vectors
from strobe.record.source import TensorSource
from strobe.record.tensors import TensorSpec

PROBE_SECTIONS = ("activations", "attention")
STACKED: Final = "att"
"""The name of the attention of all layers, where it is alike in each."""
_MOST_BYTES: Final = 1 << 30
_HEADS: Final = ("probe", "head", "query", "key")
_NUMBER: Final = re.compile(r"(?:^|(?<=\.))[0-9]+(?=\.|$)")

Causal = bool | Mapping[str, bool] | None


class ProbeSource(TensorSource):
    """`sections` (of PROBE_SECTIONS) of what a model makes of a probe, which stays the same all run long.

    The pass runs in evaluation mode and leaves the training as it was. `causal` says whether attention looks only
    back, of all or by module name; what it does not say is found from the first pass: where queries and keys are as
    many and everything above the diagonal is zero, it is.

    Attention whose layers are alike is stacked as `attention/att`; any other, cross-attention too, has its module's
    name. Raises RecorderError for more than 1 GiB of it.
    """

    def __init__(
        self, model: Any, probe: Any, *, sections: Sequence[str], chosen: Callable[[str], bool], causal: Causal,
        taken: str | None, statistics_of: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._model, self._probe, self._sections = model, probe, tuple(sections)
        self._chosen, self._causal, self._taken = chosen, causal, taken
        self._alone_is_measured = "attention" in statistics_of
        self._measured: dict[str, Vector | Exception] = {}
        self._attention: dict[str, Any] = {}
        self._specs: list[TensorSpec] = []
        self._failed: Exception = _UNREACHED

    def specs(self) -> Sequence[TensorSpec]:
        if not self._specs:
            # A pass of a sharded model needs all processes: one for each time that they are asked.
            self._look()
            self._specs = self._found()
        return self._specs

    def _found(self) -> list[TensorSpec]:
        specs = [self._statistics(name) for name in self._measured]
        stacked = self._stacked()
        if stacked:
            specs.append(self._together(stacked))
        specs += [self._alone(name) for name in self._attention if name not in stacked]
        size = sum(tensor.numel() * 4 for tensor in self._attention.values())
        if size > _MOST_BYTES:
            raise RecorderError(f"attention over this probe takes {size:,} bytes; at most {_MOST_BYTES:,}: use less")
        return specs + self._tokens()

    def prepare(self) -> None:
        self._failed = _UNREACHED
        try:
            self._look()
        except Exception as error:
            # A pass that fails costs what it was to leave, and no parameter.
            self._measured, self._attention, self._failed = {}, {}, error

    def _look(self) -> None:
        wants = {name: name in self._sections for name in PROBE_SECTIONS}
        made = Capture(self._model, self._probe, outputs=wants["activations"], attention=wants["attention"])
        outputs, self._attention = (
            {name: tensor for own, tensor in found.items() if self._chosen(name := unwrapped(own))}
            for found in (made.outputs, made.attention)
        )
        measured = {f"activations/{name}": tensor for name, tensor in outputs.items()}
        if self._alone_is_measured:
            measured |= {f"attention/{name}": tensor for name, tensor in self._attention.items()}
            self._attention = {}
        self._measured = vectors(measured)

    def _statistics(self, name: str) -> TensorSpec:
        def read() -> Vector:
            measured = self._measured.get(name, self._failed)
            if isinstance(measured, Exception):
                raise measured
            return measured

        layer, group = self._layer(name.partition("/")[2])
        return TensorSpec(
            name, "stats", ("statistic",), read, (len(STATISTICS),), "float64", layer, group,
            self._taken,
        )  # fmt: skip

    def _layer(self, name: str) -> tuple[int | None, str | None]:
        layer, group = layer_of(unwrap(self._model), f"{name}.output", f"{name}.output")
        return layer, group.removesuffix("output").rstrip(".") or "blocks" if group is not None else None

    def _stacked(self) -> list[str]:
        """The modules of most layers with attention of one kind and shape, in the order of the layers."""
        kinds: dict[Any, dict[int, str]] = defaultdict(dict)
        for name, tensor in self._attention.items():
            number = _NUMBER.search(name)
            if tensor.shape[-1] == tensor.shape[-2]:
                layer = int(number[0]) if number is not None else 0
                kinds[_NUMBER.sub("*", name, count=1), tuple(tensor.shape)][layer] = name
        layers = max(kinds.values(), key=len, default={})
        return [layers[layer] for layer in sorted(layers)]

    def _together(self, names: list[str]) -> TensorSpec:
        import torch

        def read() -> Any:
            return torch.stack([self._weights(name) for name in names])

        shape = (len(names), *self._attention[names[0]].shape)
        known = {self._looks_back(name) for name in names}
        return TensorSpec(
            STACKED, "attention", ("layer", *_HEADS), read, shape, "float32", taken=self._taken,
            causal=known.pop() if len(known) == 1 else None,
        )  # fmt: skip

    def _alone(self, name: str) -> TensorSpec:
        shape = tuple(self._attention[name].shape)
        return TensorSpec(
            name, "attention", _HEADS, lambda: self._weights(name), shape, "float32", *self._layer(name),
            self._taken, causal=self._looks_back(name),
        )  # fmt: skip

    def _weights(self, name: str) -> Any:
        if name not in self._attention:
            raise self._failed
        return self._attention[name].float()

    def _looks_back(self, name: str) -> bool | None:
        said = self._causal.get(name) if isinstance(self._causal, Mapping) else self._causal
        if said is not None:
            return bool(said)
        tensor = self._attention[name]
        if tensor.shape[-1] != tensor.shape[-2]:
            return False
        return not bool(tensor.triu(1).any()) if tensor.shape[-1] > 1 else None

    def _tokens(self) -> list[TensorSpec]:
        """The probe itself, where it is of whole numbers (sequence, position)."""
        import torch

        given = self._probe.get("input_ids") if isinstance(self._probe, Mapping) else self._probe
        if not isinstance(given, torch.Tensor) or given.is_floating_point() or given.dim() != 2:
            return []
        return [TensorSpec("tokens", "probe", ("probe", "position"), given.to(torch.int32).cpu())]


_UNREACHED: Final = RecorderError("was not reached in the probe's forward pass")
