"""What tokens and positions are called, and where they stand on the map of colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from strobe.analysis.token_text import BYTES, are_bytes

_SIGNS: Final = {ord(" "): "␣", ord("\n"): "↵", ord("\t"): "⇥", ord("\r"): "␍"}


def token_name(task: Mapping[str, Any], token: int) -> str:
    """The task's own name of a token where it has names (`task.token_names`), the character of a byte of a text, "="
    of modular addition, else the number. `task` is the manifest's."""
    names = task.get("token_names")
    if isinstance(names, list) and 0 <= token < len(names):
        return str(names[token])
    if are_bytes(task) and 0 <= token < BYTES:
        return _SIGNS.get(token) or (chr(token) if 0x20 < token < 0x7F else f"\\x{token:02x}")
    return "=" if task.get("kind") == "modular_addition" and token == task.get("modulus") else str(token)


def position_names(task: Mapping[str, Any], length: int) -> list[str]:
    """The places of a sequence: a, b and = of modular addition, else their numbers."""
    modular = length == 3 and task.get("kind") == "modular_addition"
    return ["a", "b", "="] if modular else [str(position) for position in range(length)]


def colour_places(rows: Sequence[int], total: int, p: int | None, turn: int = 1) -> list[float]:
    """Each row's place on the map of colours, 0..1: `turn` times the residue round the circle, -1 for a token that is
    no residue; without residues, by row number."""
    if p is None:
        return [row / max(1, total) for row in rows]
    return [(turn * row % p) / p if row < p else -1.0 for row in rows]


def colour_words(p: int | None, turn: int) -> str:
    """What `colour_places` stand for."""
    if p is None:
        return "row number"
    return f"{turn}·x mod {p}, in whose order residues x lie here" if turn > 1 else "residue, cyclic"
