"""At which steps of a training of known length snapshots are taken."""

from __future__ import annotations

from etl.run.schedule import ScheduleError, ranges

AUTO = "auto"
"""The part of a schedule that asks for snapshots where the training has moved (`movement.Movement`)."""


MOST = 1_000_000
"""Snapshots that a training can be asked for: each is a file."""


def is_auto(schedule: str | None) -> bool:
    """Whether snapshots are taken where the training has moved, too."""
    return schedule is not None and AUTO in (part.strip() for part in schedule.split(","))


def snapshot_steps(steps: int, *, every: int | None, schedule: str | None) -> frozenset[int]:
    """The steps 0..steps to record in any case: `schedule`, or every N-th; the final step is always among them.

    Of an automatic schedule these are its ranges, if it has any, and both ends.

    Raises ScheduleError when both are given, N is not positive, or they are more than `MOST`.
    """
    if schedule is not None:
        if every is not None:
            raise ScheduleError("give a schedule or a number of steps between snapshots, not both")
        parts = ",".join(part for part in schedule.split(",") if part.strip() != AUTO)
        asked = ranges(parts) if parts or not is_auto(schedule) else []
        ends = {0, steps} if is_auto(schedule) else {steps}
    elif every is None or every < 1:
        raise ScheduleError(f"{every} steps between snapshots; give at least 1")
    else:
        asked, ends = [range(0, steps + 1, every)], {steps}
    within = [part[: max(0, (steps - part.start) // part.step + 1)] for part in asked]
    if (count := sum(map(len, within))) > MOST:
        raise ScheduleError(f"{count:,} snapshots are asked for; take at most {MOST:,}, with more steps between them")
    return frozenset(step for part in within for step in part) | ends
