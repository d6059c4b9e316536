"""Which rows of thousands are shown: those whose names a filter finds, and of them as many as a picture holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MOST_ROWS: Final = 100
"""Rows of one heatmap."""


def matching(names: Sequence[str], text: str) -> list[str]:
    """The names that have every word of `text` in them, in any order, whether large or small letters; a `*` in a word
    stands for anything."""
    words = [[part for part in word.split("*") if part] for word in text.lower().split()]
    return [name for name in names if all(_has(name.lower(), parts) for parts in words)]


def _has(name: str, parts: Sequence[str]) -> bool:
    """Whether all parts stand in the name, one after another."""
    start = 0
    for part in parts:
        found = name.find(part, start)
        if found < 0:
            return False
        start = found + len(part)
    return True


def windows(count: int, most: int = MOST_ROWS) -> list[str]:
    """The stretches of `count` rows that are shown one at a time, as people count: ["1-100", "101-150"]; one, or none
    where there is no row."""
    return [f"{start + 1:,}-{min(start + most, count):,}" for start in range(0, count, most)]


def window(names: Sequence[str], which: str, most: int = MOST_ROWS) -> list[str]:
    """The names of one of `windows`; of the first where there is no such one."""
    every = windows(len(names), most)
    start = every.index(which) * most if which in every else 0
    return list(names[start : start + most])
