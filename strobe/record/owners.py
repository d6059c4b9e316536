"""Parameters by the place where their model keeps them: what replaces one there is recorded from then on."""

from __future__ import annotations

import dataclasses
import gc
import sys
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from strobe.record.errors import RecorderError
from strobe.record.tensors import TensorSpec


def followed(specs: Iterable[TensorSpec]) -> list[TensorSpec]:
    """The specs, where one that was given a Parameter reads, at each snapshot, what its module has under that name.

    Loading a state with assign=True, casting or wrapping a model puts another Parameter in its place. One that no
    module holds is read as it is.
    """
    given = list(specs)
    torch = sys.modules.get("torch")
    wanted = {id(spec.tensor) for spec in given if torch is not None and isinstance(spec.tensor, torch.nn.Parameter)}
    if not wanted:
        return given
    places = _places(wanted)
    return [
        dataclasses.replace(spec, tensor=places[id(spec.tensor)]) if id(spec.tensor) in places else spec
        for spec in given
    ]


class Owned:
    """Reads what a module has under the name of `parameter`; that one itself where the module is gone."""

    def __init__(self, module: Any, name: str, parameter: Any) -> None:
        self._module, self._name, self._parameter = weakref.ref(module), name, parameter

    def __call__(self) -> Any:
        owner = self._module()
        if owner is None:
            return self._parameter
        if self._name not in owner._parameters:
            raise RecorderError(f"its {type(owner).__name__} has no parameter {self._name!r} any more")
        return owner._parameters[self._name]


def _places(wanted: set[int]) -> dict[int, Callable[[], Any]]:
    """How to read each of the Parameters where the first module that was found has it, by their ids."""
    import torch

    found: dict[int, Callable[[], Any]] = {}
    # A proxy's isinstance may run code; its type does not.
    for thing in gc.get_objects():
        if issubclass(type(thing), torch.nn.Module):
            for name, parameter in thing.__dict__.get("_parameters", {}).items():
                if id(parameter) in wanted:
                    found.setdefault(id(parameter), Owned(thing, name, parameter))
    return found
