"""Names of runs: what fits the store, and the next one where another run has it already."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_CHARACTERS = 64


def run_id(text: str) -> str:
    """`text` made to match [a-z][a-z0-9._-]{0,63}: in lower case, other characters as "-", "r-" before a digit."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "run"
    return (plain if plain[0].isalpha() else f"r-{plain}")[:MAX_CHARACTERS]


def candidates(wanted: str) -> Iterator[str]:
    """`wanted`, then `wanted-2`, `wanted-3`, ..."""
    yield wanted
    for number in range(2, 10_000):
        suffix = f"-{number}"
        yield re.sub(r"[._-]+$", "", wanted[: MAX_CHARACTERS - len(suffix)]) + suffix
