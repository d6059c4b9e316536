"""At which steps of a training of known length snapshots are taken."""

from __future__ import annotations

from etl.run.schedule import ScheduleError, parse_schedule

AUTO = "auto"
"""The part of a schedule that asks for snapshots where the training has moved (`movement.Movement`)."""


def is_auto(schedule: str | None) -> bool:
    """Whether snapshots are taken where the training has moved, too."""
    return schedule is not None and AUTO in (part.strip() for part in schedule.split(","))


def snapshot_steps(steps: int, *, every: int | None, schedule: str | None) -> frozenset[int]:
    """The steps 0..steps to record in any case: `schedule`, or every N-th; the final step is always among them.

    Of an automatic schedule these are its ranges, if it has any, and both ends.

    Raises ScheduleError when both are given, or N is not positive.
    """
    if schedule is not None:
        if every is not None:
            raise ScheduleError("give a schedule or a number of steps between snapshots, not both")
        if is_auto(schedule):
            ranges = ",".join(part for part in schedule.split(",") if part.strip() != AUTO)
            return frozenset({0, steps}) | (snapshot_steps(steps, every=None, schedule=ranges) if ranges else set())
        return frozenset(step for step in parse_schedule(schedule) if step <= steps) | {steps}
    if every is None or every < 1:
        raise ScheduleError(f"{every} steps between snapshots; give at least 1")
    return frozenset(range(0, steps + 1, every)) | {steps}
