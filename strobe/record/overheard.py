"""When snapshots are taken where no optimizer was given, as every optimizer of torch that is at work tells."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakSet

from strobe.record.order import Clock, Handle, SteppedOptimizer, Taken, UpdateClock, overflowed
from strobe.record.owners import Owned
from strobe.record.tensors import TensorSpec


class OverheardClock(Clock):
    """Hears every optimizer of torch from `start` to `stop`, and counts the updates of the one that has recorded
    parameters.

    It claims nothing where that is not enough: where several optimizers have some of them, or where they changed and
    no optimizer was heard. Updates from before the recorder began are not known, so a step beyond the updates that
    were heard tells nothing.
    """

    def __init__(self, parameters: Sequence[Any], updates: int) -> None:
        """`parameters` are torch's, those that get gradients among what is recorded."""
        super().__init__(updates)
        self._parameters = parameters
        self._places = {place for each in parameters if (place := _place(each)) is not None}
        self._heard: WeakSet[Any] = WeakSet()
        self._optimizers = 0
        """How many have updated a parameter, those that are gone by now too."""
        self._handles: list[Handle] = []
        self._began: list[int] | None = None

    def start(self) -> None:
        from torch.optim.optimizer import register_optimizer_step_post_hook

        self._began = _checksums(self._parameters)
        self._handles.append(register_optimizer_step_post_hook(self._stepped))
        for parameter in self._parameters:
            # One that is not initialised takes no hook, and has no checksum that would tell anything.
            with contextlib.suppress(ValueError, RuntimeError):
                self._handles.append(parameter.register_post_accumulate_grad_hook(self._went_back))

    def stop(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def now(self, step: int) -> tuple[Taken | None, int]:
        if not self._is_sure():
            return None, 0
        return self.taken, max(0, self.updates - step)

    def _is_sure(self) -> bool:
        """Whether all that was done to the parameters was heard."""
        if self._optimizers:
            return self._optimizers == 1
        # Whoever writes updates by hand is not heard, and gives himself away by what he changed.
        if self._began is not None and self._began != _checksums(self._parameters):
            self._began = None
        return self._began is not None

    def _stepped(self, optimizer: Any, *_: object) -> None:
        if overflowed(optimizer) or not self._has_ours(optimizer):
            return
        if optimizer not in self._heard:
            self._heard.add(optimizer)
            self._optimizers += 1
        self.updates += 1
        self.taken = "after_update"

    def _has_ours(self, optimizer: Any) -> bool:
        if optimizer in self._heard:
            return True
        return any(_place(each) in self._places for group in optimizer.param_groups for each in group["params"])

    def _went_back(self, _: object) -> None:
        self.taken = "before_update"


def clock_of(optimizer: SteppedOptimizer | Clock | None, specs: Iterable[TensorSpec], updates: int) -> Clock | None:
    """What counts the updates from so many on; None where nobody can. Raises RecorderError for what is no
    optimizer."""
    if optimizer is None:
        return overheard(specs, updates)
    return optimizer if isinstance(optimizer, Clock) else UpdateClock(optimizer, updates)


def overheard(specs: Iterable[TensorSpec], updates: int) -> OverheardClock | None:
    """A clock for what is recorded; None where no parameter of torch is, so that there is nothing to hear."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    found: dict[int, Any] = {}
    for spec in specs:
        if spec.section == "params":
            with contextlib.suppress(Exception):
                # A callable of somebody's own may cost something, or count its calls.
                value = spec.tensor() if isinstance(spec.tensor, Owned) else spec.tensor
                if isinstance(value, torch.Tensor) and value.is_leaf and value.requires_grad:
                    found[id(value)] = value
    return OverheardClock(list(found.values()), updates) if found else None


def _place(tensor: Any) -> int | None:
    """Where the numbers of a tensor lie, the same for all that share them; None where they lie nowhere."""
    with contextlib.suppress(Exception):
        return int(_local(tensor).untyped_storage().data_ptr()) or None
    return None


def _local(tensor: Any) -> Any:
    """This process' own part of a sharded tensor: asking for all of it would wait for the other processes."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def _checksums(tensors: Sequence[Any]) -> list[int] | None:
    """One number a tensor, made of the bits of its values where they lie; None where one of them has none."""
    import torch

    try:
        sums = [_local(each).detach().contiguous().reshape(-1).view(_integer(each)) for each in tensors]
        return [int(bits.sum(dtype=torch.int64)) for bits in sums]
    except Exception:
        return None


def _integer(tensor: Any) -> Any:
    import torch

    return {1: torch.uint8, 2: torch.int16, 4: torch.int32}.get(tensor.element_size(), torch.int64)
