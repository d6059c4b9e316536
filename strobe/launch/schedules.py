"""Schedules as they are edited: ranges added to a text, and how its snapshots lie over a training."""

from __future__ import annotations

from collections.abc import Sequence

from etl.errors import StrobeError
from etl.run.schedule import ranges


def with_range(schedule: str, first: str, last: str, every: str) -> str:
    """The schedule with one more range. Raises StrobeError for what is none."""
    part = f"{first.strip()}-{last.strip()}/{every.strip()}"
    ranges(part)
    return ",".join([*parts(schedule), part])


def densified(schedule: str, around: str, reach: str, every: str) -> str:
    """The schedule with a range of `reach` steps on both sides of a step. Raises StrobeError."""
    try:
        middle, half = int(around), int(reach)
    except ValueError:
        raise StrobeError(f"around {around!r:.30} by {reach!r:.30} is no range; give two whole numbers") from None
    return with_range(schedule, str(max(0, middle - half)), str(middle + half), every)


def without_part(schedule: str, part: str) -> str:
    """The schedule less one of its parts."""
    return ",".join(one for one in parts(schedule) if one != part.strip())


def parts(schedule: str) -> list[str]:
    """As they are written."""
    return [part.strip() for part in schedule.split(",") if part.strip()]


def density(snapshots: Sequence[int], steps: int, bins: int) -> list[int]:
    """How many snapshots lie in each of `bins` equal parts of a training of `steps` steps."""
    counts = [0] * bins
    for step in snapshots:
        counts[min(bins - 1, step * bins // max(1, steps))] += 1
    return counts
