"""At which steps of a training of known length snapshots are taken."""

from __future__ import annotations

from etl.run.schedule import ScheduleError, parse_schedule


def snapshot_steps(steps: int, *, every: int | None, schedule: str | None) -> frozenset[int]:
    """The steps 0..steps to record: `schedule`, or every N-th; the final step is always among them.

    Raises ScheduleError when both are given, or N is not positive.
    """
    if schedule is not None:
        if every is not None:
            raise ScheduleError("give a schedule or a number of steps between snapshots, not both")
        return frozenset(step for step in parse_schedule(schedule) if step <= steps) | {steps}
    if every is None or every < 1:
        raise ScheduleError(f"{every} steps between snapshots; give at least 1")
    return frozenset(range(0, steps + 1, every)) | {steps}
