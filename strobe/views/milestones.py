"""The moments of a run that every page and figure marks: the grokking onset and the peak of the test loss.

Both are computed from the metrics as they are now, by what fills the table `transitions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strobe.analysis.transitions import Onset, Peak
from strobe.derive import milestones as derived
from strobe.views.run_view import Tables
from strobe.views.words import number


@dataclass(frozen=True)
class Milestones:
    """Of one run; None where the metrics that they need were not recorded at all."""

    onset: Onset | None = None
    peak: Peak | None = None

    def ticks(self) -> list[dict[str, Any]]:
        """For the step cursor: step, words, kind."""
        ticks: list[dict[str, Any]] = []
        if self.peak is not None and self.peak.step is not None and self.peak.fallen is not None:
            ticks.append({"step": self.peak.step, "label": "test-loss peak", "kind": "peak"})
        if self.onset is not None and self.onset.step is not None:
            ticks.append({"step": self.onset.step, "label": "grokking onset", "kind": "onset"})
        return ticks

    def sentence(self) -> str:
        """Both in words; none is an answer, with its reason."""
        if self.onset is None and self.peak is None:
            return "Onset and peak: none, since no test metric was recorded."
        parts = []
        if self.onset is not None:
            parts.append(_onset_words(self.onset))
        if self.peak is not None:
            parts.append(_peak_words(self.peak))
        return " ".join(parts)


def _onset_words(onset: Onset) -> str:
    if onset.step is None:
        return f"Grokking onset: none ({onset.reason})."
    text = f"Grokking onset at step {onset.step:,}; the training set was known from step {onset.fitted:,}"
    if onset.relapses:
        many = f"{len(onset.relapses)} relapse{'s' if len(onset.relapses) > 1 else ''}"
        text += f", with {many} (first at {onset.relapses[0]:,})"
    return text + "."


def _peak_words(peak: Peak) -> str:
    if peak.step is None:
        return f"Test-loss peak: none ({peak.reason})."
    fallen = f"80% below it from step {peak.fallen:,}" if peak.fallen is not None else "never 80% below it afterwards"
    return f"Test loss peaks at {number(peak.value)} at step {peak.step:,}, {fallen}."


def milestones(tables: Tables, run: str) -> Milestones:
    """Of one run."""
    return Milestones(*derived.milestones(lambda sql: tables.ask(sql).table, run))


def onsets(tables: Tables) -> dict[str, Onset]:
    """Run -> its grokking onset, for the runs that recorded accuracies."""
    return derived.onsets(lambda sql: tables.ask(sql).table)
