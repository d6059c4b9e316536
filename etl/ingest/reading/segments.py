"""Restarts in a log without a word about them: where the step falls back, the training was begun again from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.run.attempts import Attempt, with_cuts

LAG = 2.0
"""Intervals that a step may lie behind the greatest before it without a restart: ranks that write into one file, and
evaluations told after the step, lag by one or two."""

Integers = npt.NDArray[np.int64]


class Segments:
    """Tells the attempt of each row of a log from its steps. `state` is plain JSON, to continue from."""

    def __init__(self, state: Sequence[Any] = ()) -> None:
        self._starts: list[int] = [int(step) for step in (state[0] if state else ())]
        self._greatest, self._interval = (int(state[1]), float(state[2])) if state else (-1, 0.0)

    @property
    def state(self) -> list[Any]:
        return [self._starts, self._greatest, self._interval]

    def attempts_of(self, steps: Integers) -> npt.NDArray[np.int64]:
        """The attempt (n,) of each row, whose steps (n,) stand in the order of the log."""
        attempts = np.zeros(len(steps), np.int64)
        if not len(steps):
            return attempts
        if not self._starts:
            self._starts = [int(steps[0])]
        self._learn(steps)
        start = 0
        for at in self._falls(steps):
            attempts[start:at] = len(self._starts) - 1
            self._starts.append(int(steps[at]))
            start = at
        attempts[start:] = len(self._starts) - 1
        return attempts

    def _learn(self, steps: Integers) -> None:
        """The usual distance between two rows that are not of one step."""
        rises = np.diff(steps)
        rises = rises[rises > 0]
        if len(rises):
            self._interval = float(np.median(rises))

    def _falls(self, steps: Integers) -> list[int]:
        falls, greatest, start = [], self._greatest, 0
        below = np.flatnonzero(np.diff(steps, prepend=max(greatest, steps[0])) < 0)
        for at in below.tolist():
            greatest = max(greatest, int(steps[start:at].max(initial=-1)))
            start = at
            if steps[at] < greatest - LAG * self._interval:
                falls.append(at)
                greatest = int(steps[at])
        self._greatest = max(greatest, int(steps[start:].max()))
        return falls

    def attempts(self) -> Sequence[Attempt]:
        """Each start, with its cuts; a log without a row has one."""
        return with_cuts([Attempt(number, step) for number, step in enumerate(self._starts or [0])])
