"""Whether tensors that are read together fit each other, by what the manifest says of them, before any is read.

An entry is one of the manifest's `snapshot.tensors`. What does not fit is refused with the name of the tensor or
field, what it has, and what is due; a wrong number never comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

ATTENTION: Final = "attention/att"
TOKENS: Final = "probe/tokens"

Entry = Mapping[str, Any]


class AttentionAxes(NamedTuple):
    """How many of each there are in the attention that every snapshot holds; the fields are the tensor's `dims`."""

    layer: int
    probe: int
    head: int
    query: int
    key: int

    @classmethod
    def of(cls, entry: Entry) -> AttentionAxes:
        """Raises ValueError where the tensor's axes are others."""
        check_axes(entry, *cls._fields)
        return cls(*entry["shape"])


def check_square(entry: Entry) -> AttentionAxes:
    """The axes of attention among the same positions. Raises ValueError where queries and keys are not as many."""
    axes = AttentionAxes.of(entry)
    if axes.query != axes.key:
        raise ValueError(f"{_told(entry)}: {axes.query:,} queries on {axes.key:,} keys are not the same positions")
    return axes


def check_tokens(entry: Entry, axes: AttentionAxes | None = None) -> None:
    """Raises ValueError where the probe's tokens are no integers (probe, position), or not those of the attention
    with these `axes`."""
    if len(entry["shape"]) != 2 or "int" not in entry["dtype"]:
        raise ValueError(f"{_told(entry)}, and it must be integers (probe, position)")
    due = None if axes is None else (axes.probe, axes.query)
    if due is not None and tuple(entry["shape"]) != due:
        raise ValueError(f"{_told(entry)}, and {ATTENTION} has {due[0]:,} probes of {due[1]:,} positions")


def why_no_tokens(entry: Entry | None, axes: AttentionAxes) -> str:
    """Why there are no tokens of the probe that belong to attention with these axes; "" where there are. `entry` is
    that of the tokens, None where they were not recorded."""
    if entry is None:
        return f"{TOKENS} was not recorded"
    try:
        check_tokens(entry, axes)
    except ValueError as error:
        return str(error)
    return ""


def check_axes(entry: Entry, *dims: str) -> None:
    """Raises ValueError where a tensor has other axes than these."""
    if tuple(entry["dims"]) != dims:
        raise ValueError(f"{_told(entry)}, and its axes must be {_words(dims)}")


def check_residues(name: str, tokens: int, p: int) -> None:
    """Raises ValueError where an embedding of so many tokens has no row for every residue mod p."""
    if tokens < p:
        raise ValueError(f"{name} has {tokens:,} rows, fewer than the {p:,} residues of task.modulus")


def _told(entry: Entry) -> str:
    return f"{entry['name']} is {entry['dtype']} {_words(entry['dims'])} of shape {_words(entry['shape'])}"


def _words(items: Any) -> str:
    text = f"({', '.join(map(str, items))})"
    return text if len(text) <= 200 else text[:197] + "..."
