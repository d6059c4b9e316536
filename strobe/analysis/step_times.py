"""Which steps took long because the training did something else beside them, such as an evaluation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SLOW = 1.5
"""Times the median from which a step is slow."""


def usual(
    steps: npt.NDArray[np.int64], times: npt.NDArray[np.float64], evaluated: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Of rising steps (n,) with their times (n,): which are not slow beside an evaluation.

    An evaluation's time falls on the step that is timed while it runs: the logged one at its step or the next. A slow
    step with no evaluation near is the training's own, and stays.
    """
    if not len(times) or not len(evaluated):
        return np.ones(len(times), bool)
    slow = times > SLOW * np.median(times)
    at = np.searchsorted(steps, evaluated)
    near = np.union1d(at, at + 1)
    beside = np.zeros(len(steps), bool)
    beside[near[near < len(steps)]] = True
    return ~(slow & beside)
