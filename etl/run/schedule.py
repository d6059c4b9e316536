"""At which steps snapshots are taken."""

from __future__ import annotations

import re

from etl.errors import StrobeError

_RANGE = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15})(?:/([0-9]{1,15}))?)?")
_MOST = 10_000_000


class ScheduleError(StrobeError):
    """A schedule that cannot be read."""


def parse_schedule(text: str) -> list[int]:
    """The ascending steps of "0-1400/100,1500-8500/500,9000": ranges with both ends, and single steps.

    A range without /N takes every step. Ranges merge, and no step stands twice. Raises ScheduleError.
    """
    return sorted({step for part in ranges(text) for step in part})


def ranges(text: str) -> list[range]:
    """The parts of a schedule, in the order in which they are written. Raises ScheduleError."""
    parts = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ScheduleError(
                f"schedule part {part.strip()!r:.60} is not STEP, FIRST-LAST or FIRST-LAST/EVERY; "
                "write for example 0-1400/100,1500-8500/500"
            )
        first, last, every = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if last < first or every == 0:
            raise ScheduleError(f"schedule part {part.strip()!r:.60} is empty; write FIRST-LAST/EVERY, EVERY >= 1")
        if (last - first) // every >= _MOST:
            raise ScheduleError(f"schedule part {part.strip()!r:.60} has more than {_MOST:,} steps; take fewer")
        parts.append(range(first, last + 1, every))
    return parts
