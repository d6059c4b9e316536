"""In which settings runs differ, the telling ones first."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

NOT_SET: Final = "not set"
_OWN: Final = re.compile(
    r"(name|time|date|dir|path|file|host|user|url|uuid|summary|metadata|timestamp|(^|[._])id)s?\b|_at$"
)
"""Words of settings that are a run's own, as its name and its folder are."""
RULE: Final = (
    "Settings that every run has stand before those that some lack, numbers before words, and what takes more values "
    "before what takes fewer; names, places and times come last."
)


@dataclass(frozen=True)
class Difference:
    """One setting, with its value in each run, NOT_SET where it has none."""

    name: str
    values: Sequence[str]


@dataclass(frozen=True)
class ConfigDiff:
    """`differences` in the order of RULE; `alike` settings are the same in every run."""

    differences: Sequence[Difference]
    alike: int
    without: Sequence[int] = ()
    """Places of the runs that have no configuration at all."""


def config_diff(settings: Sequence[Mapping[str, str]]) -> ConfigDiff:
    """Of the flat settings of some runs, in their order. Numbers are told apart by value and not by how they are
    written (3e-4 and 0.0003); a setting that stands in several places with the same values counts once."""
    without = [k for k, own in enumerate(settings) if not own]
    known = [own for own in settings if own]
    differing: dict[tuple[str, tuple[object, ...]], str] = {}
    alike = 0
    for name in {name for own in known for name in own}:
        values = tuple(_value(own.get(name)) for own in known)
        if len(set(values)) == 1:
            alike += 1
            continue
        leaf = name.rpartition(".")[2]
        other = differing.get((leaf, values))
        if other is None or (name.count("."), name) < (other.count("."), other):
            differing[leaf, values] = name
    ranked = sorted(differing.items(), key=lambda item: _rank(item[1], item[0][1]))
    rows = [Difference(name, [own.get(name, NOT_SET) for own in settings]) for _, name in ranked]
    return ConfigDiff(rows, alike, without)


def _value(text: str | None) -> object:
    """What two values are compared by."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return text if math.isnan(number) else number


def _rank(name: str, values: Sequence[object]) -> tuple[object, ...]:
    there = [value for value in values if value is not None]
    own = bool(_OWN.search(name.lower()))
    numbers = all(isinstance(value, float) for value in there)
    return own, len(there) < len(values), not numbers, -len(set(values)), name
