"""The order in which people expect names: numbers in them count as numbers, so that layer 2 comes before layer 10."""

from __future__ import annotations

import re

_DIGITS = re.compile("([0-9]+)")

Key = tuple[tuple[int, str], ...]


def natural(name: str) -> Key:
    """What to sort names by: runs of digits by the number they stand for, all else as it is."""
    parts = _DIGITS.split(name)
    return tuple((_number(part) if k % 2 else (0, part)) for k, part in enumerate(parts))


def _number(digits: str) -> tuple[int, str]:
    """Orders as the number does, however many digits it has."""
    plain = digits.lstrip("0")
    return len(plain), plain
