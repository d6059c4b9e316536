"""The moments of a run that every page and figure marks: the grokking onset and the peak of the test loss.

Both are computed from the metrics as they are now, by what fills the table `transitions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from strobe.analysis import loss_peak, onset_answer
from strobe.analysis.loss_peak import Peak
from strobe.analysis.onset_answer import Answer, Onset
from strobe.derive import milestones as derived
from strobe.views.run_view import Tables
from strobe.views.words import number

ONSET_RULE: Final = f"Grokking onset: {onset_answer.RULE}."
PEAK_RULE: Final = f"Test-loss peak: {loss_peak.RULE}."
_NEEDED: Final = ("metrics", "scalars")
_NEVER: Final = (Answer.NEVER, Answer.RELAPSED)


@dataclass(frozen=True)
class Milestones:
    """Of one run; None where no run was asked for, or for the peak where no validation loss was recorded."""

    onset: Onset | None = None
    peak: Peak | None = None

    def ticks(self) -> list[dict[str, Any]]:
        """For the step cursor: step, words, kind, and the rule for the tooltip."""
        ticks: list[dict[str, Any]] = []
        if self.peak is not None and self.peak.step is not None and self.peak.fallen is not None:
            ticks.append({"step": self.peak.step, "label": "test-loss peak", "kind": "peak", "rule": PEAK_RULE})
        if self.onset is not None and self.onset.step is not None:
            ticks.append({"step": self.onset.step, "label": "grokking onset", "kind": "onset", "rule": ONSET_RULE})
        return ticks

    def sentence(self) -> str:
        """Both in words; none is an answer, with its reason."""
        parts = [] if self.onset is None else [self.onset.sentence]
        if self.peak is not None:
            parts.append(_peak_words(self.peak))
            if self.peak.rebound is not None:
                parts.append(self._rebound_words(self.peak.rebound))
        return " ".join(parts)

    def rules(self) -> str:
        """By which rules `sentence` answers; empty where none was applied."""
        unasked = self.onset is None or self.onset.answer in (Answer.NOT_RECORDED, Answer.OTHER_NAME, Answer.DAMAGED)
        return " ".join(([] if unasked else [ONSET_RULE]) + ([] if self.peak is None else [PEAK_RULE]))

    def _rebound_words(self, rebound: loss_peak.Rebound) -> str:
        text = (
            f"It falls to {number(rebound.low)} at step {rebound.low_step:,}, rebounds to {number(rebound.value)} at "
            f"step {rebound.step:,}"
        )
        return text + (" and never groks." if self.onset is not None and self.onset.answer in _NEVER else ".")


def _peak_words(peak: Peak) -> str:
    if peak.step is None:
        return f"Test-loss peak: none ({peak.reason})."
    fallen = f"80% below it from step {peak.fallen:,}" if peak.fallen is not None else "never 80% below it afterwards"
    return f"Test loss peaks at {number(peak.value)} at step {peak.step:,}, {fallen}."


def milestones(tables: Tables, run: str) -> Milestones:
    """Of one run. What its log was is not known where the store's tables of it are damaged."""
    if lost := _damaged(tables).get(run):
        return Milestones(lost)
    return Milestones(*derived.milestones(tables.once, run))


def onsets(tables: Tables) -> dict[str, Onset]:
    """Run -> its grokking onset, of every run."""
    return derived.onsets(tables.once) | _damaged(tables)


def _damaged(tables: Tables) -> dict[str, Onset]:
    lost = [damage for damage in tables.damage() if damage.table in _NEEDED]
    return {one.run: Onset(Answer.DAMAGED, reason=f"the table {one.table} of this run is damaged") for one in lost}
