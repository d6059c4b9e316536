"""Names too long for their place, cut in the middle: what tells two of them apart stands mostly at the end."""

from __future__ import annotations

from collections.abc import Callable

_AT_MOST = 400
"""Characters: more than any place of ours holds, and few enough to be measured."""


def shortened(name: str, most: int, mark: str = "…") -> str:
    """`name` in at most `most` characters, both ends kept; `mark` stands for what was cut from the middle."""
    if len(name) <= most:
        return name
    kept = most - len(mark)
    if kept < 1:
        return mark[: max(0, most)]
    end = kept // 2
    return name[: kept - end] + mark + (name[-end:] if end else "")


def fitted(name: str, fits: Callable[[str], bool], mark: str = "…") -> str:
    """The longest of `name` and its cuts that `fits`, by some ten questions however long it is, or ""."""
    name = shortened(name, _AT_MOST, mark)
    if fits(name):
        return name
    good, bad = 0, len(name)
    while bad - good > 1:
        middle = (good + bad) // 2
        if fits(shortened(name, middle, mark)):
            good = middle
        else:
            bad = middle
    return shortened(name, good, mark)
