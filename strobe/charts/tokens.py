"""What a token is called on a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def token_name(task: Mapping[str, Any], token: int) -> str:
    """The task's own name of a token where it has names (`task.token_names`), "=" of modular addition, else the
    number. `task` is the manifest's."""
    names = task.get("token_names")
    if isinstance(names, list) and token < len(names):
        return str(names[token])
    return "=" if task.get("kind") == "modular_addition" and token == task.get("modulus") else str(token)


def position_names(task: Mapping[str, Any], length: int) -> list[str]:
    """The places of a sequence: a, b and = of modular addition, else their numbers."""
    modular = length == 3 and task.get("kind") == "modular_addition"
    return ["a", "b", "="] if modular else [str(position) for position in range(length)]
