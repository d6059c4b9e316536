"""The tensors of any torch module: parameters, gradients, Adam's norms, buffers, by their names at a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from etl.run.layout import DTYPES
from etl.run.wrapping import unwrapped
from strobe.record.errors import RecorderError
from strobe.record.host import NotDueError
from strobe.record.modules.about import model_entry, tied_names
from strobe.record.modules.axes import axes
from strobe.record.modules.kept import KeptStatistics
from strobe.record.modules.moments import MOMENTS, RATE, norms, rates
from strobe.record.modules.places import Place, places
from strobe.record.modules.roles import Roles
from strobe.record.source import TensorSource
from strobe.record.tensors import TensorSpec

Chosen = Callable[[str], bool]
"""Whether a tensor of this name is recorded."""

MODULE_SECTIONS = ("params", "grads", "optimizer", "buffers")


def _all(_: str) -> bool:
    return True


class ModuleSource(TensorSource):
    """`sections` (of MODULE_SECTIONS) of a module. Names are looked up again at every snapshot, so that what replaces
    a Parameter is recorded from then on, and one that appears joins.

    `model` may be compiled, or wrapped for data parallel training: names are without that. Tied weights are recorded
    once. `optimizer` has the moments and rates of section "optimizer"; `taken` is when snapshots are taken, None
    where that is not known. `unscaled` makes a gradient what the optimizer will use. Of the sections `statistics_of`
    statistics alone are recorded.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any = None,
        *,
        sections: Sequence[str] = ("params", "grads"),
        chosen: Chosen = _all,
        taken: str | None = "before_update",
        unscaled: Callable[[Any], Any] = lambda gradient: gradient,
        statistics_of: Collection[str] = (),
    ) -> None:
        self._model, self._optimizer, self._sections, self._chosen = model, optimizer, tuple(sections), chosen
        self._taken, self._unscaled, self._statistics_of = taken, unscaled, statistics_of
        self._kept = KeptStatistics()
        self._now: dict[str, Any] = {}
        self._moments: dict[str, float | Exception] = {}
        self._known: set[str] = set()
        self.no_gradients: str | None = None
        """Why no gradient belongs to the next snapshot, where that is so."""
        self._look_up()

    def specs(self) -> Sequence[TensorSpec]:
        return self._specs(self._now)

    def appeared(self) -> Sequence[TensorSpec]:
        return self._specs([name for name in self._now if name not in self._known])

    def model_entry(self) -> Mapping[str, Any] | None:
        entry = model_entry(self._model)
        return entry | {"tied": tied} if (tied := tied_names(self._model)) else entry

    def prepare(self) -> None:
        self._look_up()
        if "optimizer" in self._sections and self._optimizer is not None:
            self._moments = {**norms(self._now, self._optimizer), **rates(self._now, self._optimizer)}
        self._kept.measure()

    @property
    def statistics_of_updates(self) -> bool:
        """Whether the size of an update is among what is recorded."""
        return "params" in self._sections and "params" in self._statistics_of

    def before_update(self, *, measured: bool) -> None:
        """Called before the one update whose size the next snapshot tells, where that is recorded; `measured`: the
        parameters stand as a snapshot has just found them."""
        self._kept.hold(dict(self._model.named_parameters()), measured=measured)

    def after_update(self) -> None:
        """Called after it."""
        self._kept.compare(dict(self._model.named_parameters()))

    def _look_up(self) -> None:
        """What the model has under each name now."""
        self._now = dict(self._model.named_parameters())
        if "buffers" in self._sections:
            self._buffers = dict(self._model.named_buffers())

    def _specs(self, originals: Sequence[str] | Mapping[str, Any]) -> list[TensorSpec]:
        roles = self._roles()
        found = [place for place in places(self._model, originals) if self._chosen(place.name)]
        self._known.update(originals)
        specs: list[TensorSpec] = []
        if "params" in self._sections:
            specs += [self._spec("params", place, roles, self._parameter(place.original)) for place in found]
        if "grads" in self._sections:
            specs += [self._spec("grads", place, roles, self._gradient(place.original)) for place in found]
        if "optimizer" in self._sections:
            specs += [self._moment(short, place) for short in (*MOMENTS, RATE) for place in found]
        if originals is self._now:
            specs += self._buffer_specs()
        return [self._as_kept(spec) for spec in specs]

    def _as_kept(self, spec: TensorSpec) -> TensorSpec:
        # What is recorded of an optimizer is one number a tensor already.
        if spec.section == "optimizer" or spec.section not in self._statistics_of:
            return spec
        parameter = (spec.original or spec.name) if spec.section == "params" else None
        return self._kept.spec(spec, parameter)

    def _roles(self) -> Roles:
        self._modules = {unwrapped(f"{name}.").rstrip("."): module for name, module in self._model.named_modules()}
        return Roles(self._modules)

    def _spec(self, section: str, place: Place, roles: Roles, read: Callable[[], Any]) -> TensorSpec:
        tensor = self._now[place.original]
        path, _, leaf = place.name.rpartition(".")
        module, role = self._modules.get(path), roles.of(place.name, place.layer)
        shape, dtype = shape_and_dtype(tensor)
        return TensorSpec(
            place.name, section, axes(module, rank_of(module, leaf, tensor), role), read, shape, dtype,
            layer=place.layer, group=place.group, taken=self._taken, role=role if section == "params" else None,
            original=place.original if place.original != place.name else None,
            trainable=False if section == "params" and not tensor.requires_grad else None,
        )  # fmt: skip

    def _parameter(self, name: str) -> Callable[[], Any]:
        def read() -> Any:
            if name not in self._now:
                raise RecorderError("the model has no such parameter any more")
            return self._now[name]

        return read

    def _gradient(self, name: str) -> Callable[[], Any]:
        def read() -> Any:
            if self.no_gradients is not None:
                raise NotDueError(self.no_gradients)
            parameter = self._now.get(name)
            if parameter is None:
                raise RecorderError("the model has no such parameter any more")
            if parameter.grad is None:
                if not parameter.requires_grad:
                    raise NotDueError("requires_grad is False, so it has no gradient")
                return None
            return self._unscaled(parameter.grad)

        return read

    def _moment(self, short: str, place: Place) -> TensorSpec:
        def read() -> Any:
            import numpy as np

            value = self._moments.get(f"{short}.{place.original}")
            if value is None:
                raise NotDueError(f"the optimizer has no {MOMENTS.get(short, 'learning rate')} of it")
            if isinstance(value, Exception):
                raise value
            return np.array([value], np.float32)

        group = f"{short}.{place.group}" if place.group is not None else None
        return TensorSpec(
            f"{short}.{place.name}", "optimizer", ("one",), read, (1,), "float32", place.layer, group, self._taken
        )

    def _buffer_specs(self) -> list[TensorSpec]:
        if "buffers" not in self._sections:
            return []
        specs = []
        for place in places(self._model, self._buffers):
            if self._chosen(place.name):
                buffer = self._buffers[place.original]
                dims = axes(None, buffer.dim(), "other")
                shape, dtype = shape_and_dtype(buffer)
                read = self._buffer(place.original)
                specs.append(
                    TensorSpec(place.name, "buffers", dims, read, shape, dtype, place.layer, place.group, self._taken)
                )
        return specs

    def _buffer(self, name: str) -> Callable[[], Any]:
        def read() -> Any:
            if name not in self._buffers:
                raise RecorderError("the model has no such buffer any more")
            return self._buffers[name]

        return read


def rank_of(module: Any, leaf: str, tensor: Any) -> int:
    """How many axes a parameter has, or will have once its module has seen an input."""
    import torch

    if not torch.nn.parameter.is_lazy(tensor):
        return int(tensor.dim())
    return 1 if leaf.startswith("bias") else 2 + len(getattr(module, "kernel_size", ()))


def shape_and_dtype(tensor: Any) -> tuple[tuple[int, ...] | None, str | None]:
    """Those that a tensor will be recorded with; (None, None) where only looking at its data tells."""
    import torch

    name = str(tensor.dtype).removeprefix("torch.")
    unlike = torch.nn.parameter.is_lazy(tensor) or tensor.is_nested or tensor.layout != torch.strided
    if unlike or name not in DTYPES:
        return None, None
    shape = tuple(tensor.shape) or (1,)
    # A tensor without elements, or without data, is missing until it has some.
    plain = tensor.numel() > 0 and tensor.device.type != "meta" and len(shape) <= 8
    return (shape, name) if plain else (None, None)
