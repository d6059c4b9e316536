"""The parameters of a model by the names that people know, and what the optimizer has for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from etl.run.wrapping import unwrapped


@dataclass(frozen=True, slots=True)
class Setting:
    """What the optimizer does with one parameter. `weight_decay` is 0 where it has none."""

    learning_rate: float
    weight_decay: float


def named_parameters(model: Any) -> Iterator[tuple[str, Any]]:
    """(display name, parameter) of a module, or of (name, parameter) pairs; one that is tied comes once."""
    pairs: Iterable[tuple[str, Any]] = model.named_parameters() if hasattr(model, "named_parameters") else model
    for name, parameter in pairs:
        yield unwrapped(name), parameter


def settings(optimizer: Any) -> dict[int, Setting]:
    """By `id` of the parameter; empty without an optimizer."""
    found: dict[int, Setting] = {}
    for group in getattr(optimizer, "param_groups", ()):
        setting = Setting(float(group.get("lr", 0.0)), float(group.get("weight_decay", 0.0) or 0.0))
        found.update((id(parameter), setting) for parameter in group["params"])
    return found
