"""What a recording may cost: the training's patience, memory and disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WhenFull = Literal["skip", "wait"]


@dataclass(frozen=True, slots=True)
class Limits:
    """`queue` snapshots at most wait in memory; when they do, the next one is left out ("skip") or waits as well.

    `keep_last` snapshots and `max_disk` bytes at most stay in the folder. `fsync` False leaves it to the system when
    a file reaches the disk.
    """

    queue: int = 2
    when_full: WhenFull = "skip"
    keep_last: int | None = None
    max_disk: int | None = None
    fsync: bool = True
