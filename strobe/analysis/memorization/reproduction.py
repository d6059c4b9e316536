"""How much of a passage is reproduced when its beginning is continued greedily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

MEMORIZED: Final = 0.60
"""Position-wise accuracy from which on a passage counts as memorized."""
PREFIXES: Final = (5, 10, 20, 50)
"""Lengths in tokens whose accuracy is given beside that of the whole continuation."""

Tokens = Sequence[int] | npt.NDArray[Any]


@dataclass(frozen=True)
class Reproduction:
    """A continuation beside the passage's own. `accuracy` is the share of positions that are equal, `prefixes` that
    of the first tokens by how many they are, None where the passage has fewer. `edit_distance` is in tokens."""

    accuracy: float
    exact_matches: int
    tokens: int
    edit_distance: int
    prefixes: Mapping[int, float | None]
    memorized: bool


def prompt_length(tokens: int) -> int:
    """How many tokens of a passage are given: a third, rounded down. Raises ValueError for fewer than 3."""
    if tokens < 3:
        raise ValueError(f"a passage of {tokens} tokens has no third to continue from")
    return tokens // 3


def edit_distance(first: Tokens, second: Tokens) -> int:
    """Levenshtein's: the least number of tokens to insert, to remove and to replace."""
    row = np.arange(len(second) + 1)
    other, along = np.asarray(second), np.arange(len(second) + 1)
    for number, token in enumerate(first, 1):
        best = np.concatenate([[number], np.minimum(row[1:] + 1, row[:-1] + (other != token))])
        # An insertion carries a lower number to the right: a running minimum of what is left of the slope.
        row = np.minimum.accumulate(best - along) + along
    return int(row[-1])


def reproduction(continued: Tokens, target: Tokens, threshold: float = MEMORIZED) -> Reproduction:
    """The measures of `continued` beside `target`, both of one length. Raises ValueError for others."""
    if len(continued) != len(target) or not len(target):
        raise ValueError(f"a continuation of {len(continued)} tokens beside {len(target)}")
    equal = np.asarray(continued) == np.asarray(target)
    exact = int(equal.sum())
    accuracy = exact / len(equal)
    prefixes = {size: float(equal[:size].mean()) if size <= len(equal) else None for size in PREFIXES}
    distance = edit_distance(list(continued), list(target))
    return Reproduction(accuracy, exact, len(equal), distance, prefixes, accuracy >= threshold)


def onsets(epochs: Sequence[int], memorized: npt.NDArray[np.bool_]) -> tuple[list[int | None], list[int | None]]:
    """Of each passage of `memorized` (passages, epochs): the first epoch at which it is, and the first after that at
    which it is not any more; None for never."""
    first: list[int | None] = []
    forgotten: list[int | None] = []
    for row in np.asarray(memorized, bool):
        at = int(row.argmax()) if row.any() else None
        first.append(None if at is None else epochs[at])
        lost = None if at is None else next((k for k in range(at, len(row)) if not row[k]), None)
        forgotten.append(None if lost is None else epochs[lost])
    return first, forgotten
