"""Short names for the rows of a picture, as the pages have them (`brief` in strobe/ui/static/draw.js)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def brief(names: Sequence[str]) -> list[str]:
    """Dotted names without the words that most of them have ("model", "weight"), numbers kept; as they are where
    what is left would not tell them apart."""
    parts = [name.split(".") for name in names]
    often = Counter(part for own in parts for part in set(own))
    kept = [".".join(part for part in own if part[:1].isdecimal() or often[part] <= len(names) / 2) for own in parts]
    return kept if all(kept) and len(set(kept)) == len(names) else list(names)
