"""The rule of the grokking onset in words, and what it can answer.

The rule is ours: the literature speaks of delayed generalisation and gives none. Each answer has its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

THRESHOLD: Final = 0.99
"""Accuracy that counts as learned."""

HOLD: Final = 10
"""Evaluations after the onset for which validation accuracy must stay at or above THRESHOLD."""

LEAST: Final = 3
"""Evaluations that must at least be left for an onset near the end of a run, and lie in the gap before it."""

GAP: Final = 0.2
"""Least share of the steps up to the onset that lies between the training set learned and the onset."""

AFTER: Final = 3
"""Evaluations after train accuracy reaches THRESHOLD whose median must reach it too."""

RULE: Final = (
    f"validation accuracy ≥ {THRESHOLD} for {HOLD} evaluations more (or all that are left, if at least {LEAST}); "
    f"after train accuracy ≥ {THRESHOLD}, as is the median of its next {AFTER} evaluations (or of all left), by at "
    f"least {LEAST} evaluations and {GAP:.0%} of the steps so far; and at most halfway from chance to "
    f"{THRESHOLD} at that time"
)
"""In words, for everyone who shows an onset."""

STOPPED: Final = {
    "running": "the run is still running", "interrupted": "the run was interrupted", "failed": "the run failed",
}  # fmt: skip
"""Status of a run that did not come to its end -> how that is said."""


class Answer(StrEnum):
    """What the rule finds, in the words of a table's cell."""

    GROKKED = "grokked"
    TOGETHER = "learned together"
    STARTED = "started learned"
    TOO_FEW = "too few evaluations"
    NOT_RECORDED = "not recorded"
    OTHER_NAME = "under another name"
    TRAIN_NEVER = "train never learned"
    NEVER = "never reached"
    RELAPSED = "relapsed"
    UNFINISHED = "unfinished"
    SCALE = "scale not clear"
    DAMAGED = "cannot be read"


@dataclass(frozen=True)
class Onset:
    """`step` is None unless the run grokked; `reason` then says why not, with its numbers."""

    answer: Answer
    step: int | None = None
    fitted: int | None = None
    """First step with train accuracy >= THRESHOLD that is no lone spike."""
    relapses: tuple[int, ...] = ()
    """Later steps at which validation accuracy falls below THRESHOLD; they do not move the onset."""
    reason: str = ""
    at_fitted: float = float("nan")
    """Validation accuracy when the training set was known."""
    percent: bool = False
    """The accuracies are logged as percentages."""
    remarks: tuple[str, ...] = ()
    """What was done to the accuracies, in sentences."""

    @property
    def sentence(self) -> str:
        """The answer as a person would put it."""
        return " ".join([self._answer(), *self.remarks])

    def _answer(self) -> str:
        if self.step is None or self.fitted is None:
            return f"Grokking onset: none ({self.answer}): {self.reason}."
        text = f"Grokking onset at step {self.step:,}; the training set was known from step {self.fitted:,}"
        if np.isfinite(self.at_fitted):
            text += f", when validation accuracy was {share(self.at_fitted)}"
        if self.relapses:
            times = "once, at" if len(self.relapses) == 1 else f"{len(self.relapses)} times, first at"
            text += f". It relapses {times} step {self.relapses[0]:,}"
        return text + "."


def share(value: float) -> str:
    """A share in up to four decimals, and never rounded up to the threshold."""
    text = f"{value:.3g}" if abs(value) < 0.1 else f"{value:.3f}".rstrip("0").rstrip(".")
    return text if (float(text) >= THRESHOLD) == (value >= THRESHOLD) else f"{value:.6f}"
