"""The learning rate of a group of an optimizer's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def learning_rate(group: Mapping[str, Any]) -> float | None:
    """A number or a tensor of one, as a number; None where the group has none, as where an optimizer reckons its own
    at each step."""
    try:
        return float(group["lr"])
    except (KeyError, TypeError, ValueError, RuntimeError):
        return None
