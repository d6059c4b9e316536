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
from strobe.views.run_view import Tables, literal
from strobe.views.splits import TEST, held_out
from strobe.views.words import number

ONSET_RULE: Final = f"Grokking onset: {onset_answer.RULE}."
PEAK_RULE: Final = f"Test-loss peak: {loss_peak.RULE}."
_GROKKING: Final = ("modular_addition",)
"""Tasks whose runs are asked whether they grokked even where their log cannot tell."""
_NEEDED: Final = ("metrics", "scalars")
_NEVER: Final = (Answer.NEVER, Answer.RELAPSED)


@dataclass(frozen=True)
class Milestones:
    """Of one run; None where no run was asked for, or for the peak where no validation loss was recorded."""

    onset: Onset | None = None
    peak: Peak | None = None
    held_out: str = TEST
    """What the data is called that the model was not trained on."""
    asked: bool = True
    """Whether grokking is a question of this run: by its task, or since both of its accuracies were recorded."""

    def ticks(self) -> list[dict[str, Any]]:
        """For the step cursor: step, words, kind, and the rule for the tooltip."""
        ticks: list[dict[str, Any]] = []
        if self.peak is not None and self.peak.step is not None and self.peak.fallen is not None:
            ticks.append(
                {
                    "step": self.peak.step,
                    "label": f"{self.held_out}-loss peak",
                    "kind": "peak",
                    "rule": self.peak_rule,
                }
            )
        if self.onset is not None and self.onset.step is not None:
            ticks.append({"step": self.onset.step, "label": "grokking onset", "kind": "onset", "rule": ONSET_RULE})
        return ticks

    def sentence(self) -> str:
        """Both in words; none is an answer, with its reason."""
        parts = [] if self.onset is None or not self.asked else [self.onset.sentence]
        if self.peak is not None:
            parts.append(self._peak_words(self.peak))
            if self.peak.rebound is not None:
                parts.append(self._rebound_words(self.peak.rebound))
        return " ".join(parts)

    def rules(self) -> str:
        """By which rules `sentence` answers; empty where none was applied."""
        unasked = self.onset is None or self.onset.answer in (Answer.NOT_RECORDED, Answer.OTHER_NAME, Answer.DAMAGED)
        return " ".join(([] if unasked else [ONSET_RULE]) + ([] if self.peak is None else [self.peak_rule]))

    @property
    def peak_rule(self) -> str:
        """PEAK_RULE in the run's own word."""
        return PEAK_RULE.replace("Test-loss", f"{self.held_out.capitalize()}-loss", 1)

    def _rebound_words(self, rebound: loss_peak.Rebound) -> str:
        text = (
            f"It falls to {number(rebound.low)} at step {rebound.low_step:,}, rebounds to {number(rebound.value)} at "
            f"step {rebound.step:,}"
        )
        never = self.asked and self.onset is not None and self.onset.answer in _NEVER
        return text + (" and never groks." if never else ".")

    def _peak_words(self, peak: Peak) -> str:
        word = self.held_out.capitalize()
        if peak.step is None:
            return f"{word}-loss peak: none ({peak.reason})."
        fallen = f"80% below it from step {peak.fallen:,}" if peak.fallen is not None else None
        return f"{word} loss peaks at {number(peak.value)} at step {peak.step:,}, {fallen or _NEVER_FALLEN}."


_NEVER_FALLEN: Final = "never 80% below it afterwards"


def milestones(tables: Tables, run: str) -> Milestones:
    """Of one run. What its log was is not known where the store's tables of it are damaged."""
    if lost := _damaged(tables).get(run):
        return Milestones(lost)
    onset, peak = derived.milestones(tables.once, run)
    return Milestones(onset, peak, held_out(tables, [run])[run], _is_asked(tables, run, onset))


def _is_asked(tables: Tables, run: str, onset: Onset | None) -> bool:
    """The one place that decides whether a run is asked for grokking."""
    if onset is not None and onset.answer not in (Answer.NOT_RECORDED, Answer.OTHER_NAME):
        return True
    rows = tables.ask(f"SELECT task FROM runs WHERE run = {literal(run)}").table.to_pylist()
    return any(row["task"] in _GROKKING for row in rows)


def onsets(tables: Tables) -> dict[str, Onset]:
    """Run -> its grokking onset, of every run."""
    return derived.onsets(tables.once) | _damaged(tables)


def _damaged(tables: Tables) -> dict[str, Onset]:
    lost = [damage for damage in tables.damage() if damage.table in _NEEDED]
    return {one.run: Onset(Answer.DAMAGED, reason=f"the table {one.table} of this run is damaged") for one in lost}
