"""How much of a run one view reads and holds, and which snapshots that allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

MOST_BYTES: Final = 8_000_000
"""Frames that one panel may hold; beyond it a window of frames round the cursor, or some of the snapshots."""
MOST_MOVED: Final = 3_000_000
"""Bytes of a window that moves with the cursor: of all that a panel may hold, what travels while somebody waits."""
MOST_ROWS: Final = 2048
"""Rows of an embedding that are drawn; of more, some, and every view says which."""


class Window(NamedTuple):
    """Some consecutive snapshots; `whole` where these are all there are."""

    steps: list[int]
    whole: bool


def evenly(steps: Sequence[int], most: int) -> list[int]:
    """All steps, or `most` >= 2 of them with both ends, evenly spaced by index."""
    if len(steps) <= most:
        return list(steps)
    return [steps[k] for k in np.linspace(0, len(steps) - 1, most).round().astype(int)]


def even_rows(total: int, most: int = MOST_ROWS) -> list[int]:
    """All row numbers below `total`, or `most` of them with both ends, evenly spaced."""
    rows: list[int] = np.unique(np.linspace(0, max(0, total - 1), min(total, most)).round().astype(int)).tolist()
    return rows


def window(steps: Sequence[int], step: int, bytes_each: int) -> Window:
    """All steps where their frames fit into MOST_BYTES, else those nearest to `step` by index that fit into
    MOST_MOVED."""
    if len(steps) * bytes_each <= MOST_BYTES:
        return Window(list(steps), True)
    room = max(1, MOST_MOVED // bytes_each)
    at = sum(1 for other in steps if other <= step) - 1
    # Windows move by half their width, so that a short walk stays inside one and its cached frames.
    half = max(1, room // 2)
    start = max(0, at // half * half - (room - half) // 2)
    start = min(start, len(steps) - room)
    return Window(list(steps[start : start + room]), False)
