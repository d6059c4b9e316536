"""Manifests that were parsed lately, by their bytes: a page opens one run many times, and thousands of tensors take
half a second each time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

MOST_BYTES: Final = 8 * 2**20
"""Of the JSON of all that are kept; in memory each takes some ten times its JSON."""

Parsed = TypeVar("Parsed")


class ParsedLately(Generic[Parsed]):
    """What `parse` made of some bytes, kept while there is room; the one asked for longest ago goes first. What it
    raises is kept nowhere. Threads may share one."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[bytes, Parsed] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, data: bytes, parse: Callable[[bytes], Parsed]) -> Parsed:
        """What `parse` makes of `data`. The bytes themselves are the key: what changed is never taken for
        the same."""
        with self._lock:
            if data in self._kept:
                self._kept.move_to_end(data)
                return self._kept[data]
        made = parse(data)
        with self._lock:
            self._kept[data] = made
            while sum(map(len, self._kept)) > self._most:
                self._kept.popitem(last=False)
        return made
