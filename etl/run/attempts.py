"""The starts and ends of a run's training, as attempts.jsonl has them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etl.run.journal import MAX_STEP, LineReader, parsed_number

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
    attempts: list[Attempt] = []
    for row in LineReader(Path(folder) / ATTEMPTS):
        step = row.get("step")
        seconds = parsed_number(row.get("time"))
        time = seconds if seconds is not None and math.isfinite(seconds) else None
        if isinstance(row.get("lost"), dict) and attempts and row.get("attempt") == len(attempts) - 1:
            attempts[-1] = replace(attempts[-1], lost=row["lost"])
        if "end" in row:
            at = row.get("attempt", len(attempts) - 1)
            if type(at) is int and 0 <= at < len(attempts) and row["end"] in ENDINGS:
                reason = row.get("reason")
                attempts[at] = replace(
                    attempts[at],
                    end=row["end"],
                    reason=str(reason) if reason is not None else None,
                    end_step=step if type(step) is int else None,
                    end_time=time,
                )
        elif type(step) is int and 0 <= step <= MAX_STEP:
            training = row.get("training")
            attempts.append(Attempt(len(attempts), step, time, training if isinstance(training, dict) else {}))
    return with_cuts(attempts)
