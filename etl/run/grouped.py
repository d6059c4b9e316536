"""Tensors by the names that the tables have: `layers.weight` of all layers of one kind, `layers.weight.3` of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

MOST_LISTED = 20


class Grouped(NamedTuple):
    """What a table's name means: the tensors, in the order of their layers, to be stacked; or with `layer` that place
    of the first axis of one."""

    names: list[str]
    layer: int | None = None
    stacked: bool = False


def grouped(specs: Mapping[str, Mapping[str, Any]], name: str) -> Grouped | None:
    """What `name` ("params/layers.weight", "params/qkvw.3") means among the manifest's tensors by name; None where it
    means nothing."""
    section, _, own = name.partition("/")
    if layers := _layers(specs, section, own):
        return Grouped(list(layers.values()), stacked=True)
    base, dot, number = own.rpartition(".")
    if not dot or not number.isdecimal():
        return None
    layer = int(number)
    if (found := _layers(specs, section, base).get(layer)) is not None:
        return Grouped([found])
    whole = specs.get(f"{section}/{base}")
    if whole is not None and whole["dims"][0] == "layer" and layer < whole["shape"][0]:
        return Grouped([f"{section}/{base}"], layer)
    return None


def _layers(specs: Mapping[str, Mapping[str, Any]], section: str, group: str) -> dict[int, str]:
    """Layer -> name of the tensors of a group, ascending."""
    found = {
        spec["layer"]: name
        for name, spec in specs.items()
        if spec.get("group") == group and "layer" in spec and spec["section"] == section
    }
    return dict(sorted(found.items()))


def nearest(name: str, names: Iterable[str]) -> str:
    """Of `names` those of the section of `name`, or all where it has none, the most alike first; at most 20 and how
    many more there are."""
    import difflib

    every = list(names)
    section = [each for each in every if each.startswith(name.partition("/")[0] + "/")] or every
    alike = difflib.get_close_matches(name[:200], section, MOST_LISTED, 0.5)
    listed = list(dict.fromkeys([*alike, *section[:MOST_LISTED]]))[:MOST_LISTED]
    more = len(section) - len(listed)
    return ", ".join(listed) + (f" and {more:,} more" if more > 0 else "")
