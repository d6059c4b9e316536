"""Where a tensor stands in its model: its name without wrappers, its layer, and the name that its layers share."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from etl.run.wrapping import unwrapped

_EXPERTS = re.compile(r"(^|_)experts?($|_)", re.IGNORECASE)
_ROUTERS = frozenset(("router", "gate", "gating", "gate_net", "gating_network"))
_NUMBER = re.compile(r"(?:^|(?<=\.))[0-9]+(?=\.)")


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor of a model. `original` is its name there, `name` the one without what wraps the model, `layer` and
    `group` its layer and the name that it shares with the same tensor of other layers, None where it is in none."""

    name: str
    original: str
    layer: int | None = None
    group: str | None = None


def unwrap(model: Any) -> Any:
    """The module that compiling and data parallel training wrap."""
    import torch

    parallel = (torch.nn.parallel.DistributedDataParallel, torch.nn.DataParallel)
    while True:
        if "_orig_mod" in getattr(model, "_modules", {}):
            model = model._orig_mod
        elif isinstance(model, parallel):
            model = model.module
        else:
            return model


def places(model: Any, originals: Iterable[str]) -> list[Place]:
    """Where each of these tensors of `model` stands; no two have the same name."""
    found: dict[str, Place] = {}
    for original in originals:
        name = unwrapped(original)
        while name in found:
            name += "_"
        layer, group = layer_of(model, original, name)
        found[name] = Place(name, original, layer, group)
    return list(found.values())


def layer_of(model: Any, original: str, name: str) -> tuple[int | None, str | None]:
    """(layer, group) by the outermost number in a name, where what it counts are layers of one kind.

    The entries of a ModuleList are, unless they are experts: those stand beside each other. Those of another
    container, such as a Sequential, are where two of them at least are blocks of the same type: a convolution and the
    next one are not.
    """
    match, inside = _NUMBER.search(name), _NUMBER.search(original)
    if match is None or inside is None:
        return None, None
    if not _counts_layers(model, original[: inside.start()].rstrip("."), inside[0]):
        return None, None
    group = (name[: match.start()] + name[match.end() + 1 :]).strip(".")
    return int(match[0]), group


def _counts_layers(model: Any, container: str, number: str) -> bool:
    import torch

    try:
        owner = _inside(model, container)
        own = _inside(owner, number)
    except AttributeError:
        return False
    if _are_experts(model, container):
        return False
    if isinstance(owner, torch.nn.ModuleList) or _kind(owner) == "ModuleList":
        return True
    is_block = next(own.children(), None) is not None
    return is_block and sum(_kind(child) == _kind(own) for child in owner.children()) > 1


def _inside(model: Any, path: str) -> Any:
    """The module of a path. Raises AttributeError where there is none. A scripted module has no get_submodule."""
    return functools.reduce(getattr, path.split("."), model) if path else model


def _kind(module: Any) -> object:
    """A module's class; of a scripted one the name of the class that it was made of."""
    return getattr(module, "original_name", type(module))


def _are_experts(model: Any, container: str) -> bool:
    """Whether the entries of a container are experts, by its name or by the router beside it."""
    parent, _, last = container.rpartition(".")
    beside = dict(_inside(model, parent).named_children()) if container else {}
    return bool(_EXPERTS.search(last)) or not _ROUTERS.isdisjoint(beside)
