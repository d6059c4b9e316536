"""Restarts in logs whose metrics each count by themselves, as those of TensorBoard do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.ingest.source import State

Integers = npt.NDArray[np.int64]


class Restarts:
    """Tells the attempt of each row. `begin` says that a training may have been begun again: it was where the first
    row of a metric that is known goes back behind its greatest step."""

    def __init__(self, state: State) -> None:
        self.starts: list[int] = [int(step) for step in state.get("starts", ())]
        self._greatest: dict[str, int] = dict(state.get("greatest", {}))
        self._latest, self._may = float(state.get("latest", 0.0)), bool(state.get("may", False))

    @property
    def state(self) -> dict[str, Any]:
        return {"starts": self.starts, "greatest": self._greatest, "latest": self._latest, "may": self._may}

    def begin(self, time: float) -> None:
        """A file that was begun at `time`: while another was still written it tells of the same training."""
        self._may = bool(self._greatest) and time > self._latest

    def attempts_of(
        self, code: npt.NDArray[np.int32], step: Integers, time: npt.NDArray[np.float64], names: Sequence[str]
    ) -> Integers:
        """The attempt (n,) of rows, the `code` of each a place in `names`, or -1 where a session starts."""
        attempt = np.empty(len(code), np.int64)
        greatest = np.array([self._greatest.get(name, -1) for name in names], np.int64)
        marks = [0, *np.flatnonzero(code < 0).tolist(), len(code)]
        for start, end in pairwise(marks):
            at = start
            if start < end and code[start] < 0:
                attempt[start] = max(0, len(self.starts) - 1)
                self._session(int(step[start]), greatest)
                at += 1
            self._stretch(slice(at, end), code, step, attempt, greatest)
        self._greatest |= {name: int(most) for name, most in zip(names, greatest.tolist(), strict=True) if most >= 0}
        self._latest = max(self._latest, float(time[np.isfinite(time)].max(initial=0.0)))
        return attempt

    def _session(self, step: int, greatest: Integers) -> None:
        """The start of a session, which says from which step on; 0 says nothing."""
        if step and self.starts and (greatest >= step).any():
            self.starts.append(step)
            greatest[greatest >= step] = step - 1
            self._may = False
        else:
            self._may = bool(self.starts)

    def _stretch(
        self, part: slice, code: npt.NDArray[np.int32], step: Integers, attempt: Integers, greatest: Integers
    ) -> None:
        codes, steps = code[part], step[part]
        if not len(codes):
            return
        if not self.starts:
            self.starts = [int(steps[0])]
        first = len(self.starts) - 1
        attempt[part] = first
        if self._may and len(known := np.flatnonzero(greatest[codes] >= 0)):
            at = int(known[0])
            self._may = False
            if steps[at] < greatest[codes[at]]:
                self.starts.append(int(steps[at]))
                attempt[part.start + at : part.stop] = first + 1
                greatest[:] = np.minimum(greatest, steps[at] - 1)
        np.maximum.at(greatest, codes, steps)
