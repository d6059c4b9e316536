"""The parameters of a model by the names that people know, and what the optimizer has for each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from etl.run.wrapping import unwrapped
from strobe.record.learning_rate import learning_rate


@dataclass(frozen=True, slots=True)
class Setting:
    """What the optimizer does with one parameter. `learning_rate` is NaN where it does not say, `weight_decay` 0
    where it has none."""

    learning_rate: float
    weight_decay: float


def named_parameters(model: Any) -> Iterator[tuple[str, Any]]:
    """(display name, parameter) of a module, or of (name, parameter) pairs; one that is tied comes once, and one that
    has no elements, no data, or none yet, not at all."""
    pairs: Iterable[tuple[str, Any]] = model.named_parameters() if hasattr(model, "named_parameters") else model
    for name, parameter in pairs:
        if not torch.nn.parameter.is_lazy(parameter) and parameter.device.type != "meta" and parameter.numel():
            yield unwrapped(name), parameter


def settings(optimizer: Any) -> dict[int, Setting]:
    """By `id` of the parameter; empty without an optimizer."""
    found: dict[int, Setting] = {}
    for group in getattr(optimizer, "param_groups", ()):
        rate = learning_rate(group)
        decay = float(group.get("weight_decay", 0.0) or 0.0)
        setting = Setting(rate if rate is not None else math.nan, decay)
        found.update((id(parameter), setting) for parameter in group["params"])
    return found
