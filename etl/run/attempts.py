"""The starts and ends of a run's training, as attempts.jsonl has them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etl.run.journal import MAX_STEP, LineReader, Lines, parsed_number

ATTEMPTS = "attempts.jsonl"
ENDINGS = ("finished", "interrupted", "failed")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of a training: attempt 0, and one more for each resume."""

    attempt: int
    step: int
    time: float | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the manifest's `training`."""
    end: str | None = None
    reason: str | None = None
    end_step: int | None = None
    end_time: float | None = None
    lost: Mapping[str, Any] = field(default_factory=dict)
    """What the recorder could not record: counts by what was lost, and `why` by kind."""
    cut_step: int | None = None
    """The least first step of later attempts: from there on this attempt's records are superseded."""


def with_cuts(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Fill each attempt's `cut_step` from the attempts after it."""
    cut: int | None = None
    result: list[Attempt] = []
    for attempt in reversed(attempts):
        result.append(replace(attempt, cut_step=cut))
        cut = attempt.step if cut is None else min(cut, attempt.step)
    return result[::-1]


def read_attempts(folder: str | os.PathLike[str]) -> list[Attempt]:
    """The attempts of a run in order, numbered by their start lines; a run without the log has none."""
    return read_log(folder)[0]


def read_log(folder: str | os.PathLike[str]) -> tuple[list[Attempt], Lines]:
    """`read_attempts`, and what of the log was read: its `bad` lines tell of no attempt."""
    log = _Log()
    reader = LineReader(Path(folder) / ATTEMPTS, fault=log.fault)
    for row in reader:
        log.take(row)
    return with_cuts(log.attempts), reader.lines


class _Log:
    """The attempts that the lines so far tell of."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def fault(self, row: Mapping[str, Any]) -> str | None:
        """Why the next line tells of no attempt; None where it does."""
        step, at, last = row.get("step"), row.get("attempt"), len(self.attempts) - 1
        if "end" in row:
            at = row.get("attempt", last)
            if type(at) is not int or not 0 <= at <= last:
                return f"ends attempt {at!r:.40}, which did not start before"
            return None if row["end"] in ENDINGS else f"end is {row['end']!r:.40}, not one of {', '.join(ENDINGS)}"
        if "step" not in row and isinstance(row.get("lost"), dict):
            return None if at == last >= 0 else f"counts losses of attempt {at!r:.40}, which is not the last"
        if type(step) is not int or not 0 <= step <= MAX_STEP:
            return f"step is {step!r:.40}, not a whole number from 0 to 2^53"
        return None

    def take(self, row: Mapping[str, Any]) -> None:
        """One more line without a fault."""
        step, last = row.get("step"), len(self.attempts) - 1
        if isinstance(row.get("lost"), dict) and last >= 0 and row.get("attempt") == last:
            self.attempts[-1] = replace(self.attempts[-1], lost=row["lost"])
        if "end" in row:
            at = row.get("attempt", last)
            self.attempts[at] = self._ended(self.attempts[at], row)
        elif type(step) is int:
            training = row.get("training")
            told = training if isinstance(training, dict) else {}
            self.attempts.append(Attempt(last + 1, step, _seconds(row), told))

    @staticmethod
    def _ended(attempt: Attempt, row: Mapping[str, Any]) -> Attempt:
        reason, step = row.get("reason"), row.get("step")
        return replace(
            attempt,
            end=row["end"],
            reason=str(reason) if reason is not None else None,
            end_step=step if type(step) is int else None,
            end_time=_seconds(row),
        )


def _seconds(row: Mapping[str, Any]) -> float | None:
    time = parsed_number(row.get("time"))
    return time if time is not None and math.isfinite(time) else None
