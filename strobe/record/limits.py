"""What a recording may cost: the training's patience, memory and disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

WhenFull = Literal["skip", "wait"]

WAITING_BYTES: Final = 256_000_000
LEAST_WAITING, MOST_WAITING = 2, 1_000


@dataclass(frozen=True, slots=True)
class Limits:
    """`queue` snapshots at most wait in memory, or where that is None as many as `room` says; when they do, the next
    one is left out ("skip") or waits as well.

    `keep_last` snapshots and `max_disk` bytes at most stay in the folder. `fsync` False leaves it to the system when
    a file reaches the disk.
    """

    queue: int | None = None
    when_full: WhenFull = "skip"
    keep_last: int | None = None
    max_disk: int | None = None
    fsync: bool = True


def room(snapshot_bytes: int) -> int:
    """How many snapshots of that size may wait in memory: 256 MB of them, and always two."""
    return min(MOST_WAITING, max(LEAST_WAITING, WAITING_BYTES // max(1, snapshot_bytes)))
