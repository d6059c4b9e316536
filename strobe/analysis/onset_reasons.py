"""Why a run has no grokking onset: the answers that say so, each with its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strobe.analysis.onset_answer import (
    AFTER,
    GAP,
    HOLD,
    LEAST,
    STOPPED,
    THRESHOLD,
    Answer,
    Onset,
    share,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Shares at the evaluations: train (n,) at steps at (n,), val (m,) at steps when (m,); all known, ascending."""

    at: Floats
    train: Floats
    when: Floats
    val: Floats
    chance: float | None
    status: str

    def level(self, index: int) -> str:
        """Validation accuracy at one evaluation, in words."""
        return f"{share(self.val[index])} at step {int(self.when[index]):,}"

    def stopped(self) -> str:
        """How a run ended that did not come to its end, and where."""
        return f"; {STOPPED[self.status]} at step {int(max(self.at[-1], self.when[-1])):,}"


def too_few(c: Curves) -> Onset:
    """Fewer evaluations than the rule needs in all."""
    many = f"{evaluations(len(c.val))} of validation accuracy (highest {c.level(int(c.val.argmax()))})"
    return Onset(Answer.TOO_FEW, reason=f"{many}, and at least {LEAST + 1} are needed")


def started(c: Curves) -> Onset:
    """Both are learned where the log begins."""
    first = f"train accuracy is {share(c.train[0])} and validation accuracy {share(c.val[0])}"
    return Onset(Answer.STARTED, fitted=int(c.at[0]), reason=f"{first} where the log begins, {_from(c)}")


def _from(c: Curves) -> str:
    steps = sorted({int(c.at[0]), int(c.when[0])})
    return f"at step {steps[0]:,}" if len(steps) == 1 else f"at steps {steps[0]:,} and {steps[1]:,}"


def train_never(c: Curves) -> Onset:
    """The training set was not learned."""
    top = int(c.train.argmax())
    reason = f"train accuracy is at most {share(c.train[top])} (step {int(c.at[top]):,}), and {THRESHOLD} is needed"
    if spikes := np.flatnonzero(c.train >= THRESHOLD).tolist():
        many = f"at {evaluations(len(spikes))}" + (", first" if len(spikes) > 1 else "")
        first = f"train accuracy reaches {THRESHOLD} {many} at step {int(c.at[spikes[0]]):,}"
        reason = f"{first}, and did not hold it: the median of the next {AFTER} is below it"
    if (c.val >= THRESHOLD).any():
        reason += f", though validation accuracy is {c.level(int(c.val.argmax()))}"
    if c.status in STOPPED:
        return Onset(Answer.UNFINISHED, reason=reason + c.stopped())
    return Onset(Answer.TRAIN_NEVER, reason=reason)


def never_held(c: Curves, fitted: int, later: NDArray[np.int64], good: NDArray[np.bool_]) -> Onset:
    """Validation accuracy is nowhere held: at its evaluations `later` than `fitted` it is `good` or not."""
    known = f"train accuracy reached {THRESHOLD} at step {fitted:,}"
    if not good.any():
        if not len(later):
            reason = f"{known}, and validation accuracy was not evaluated from then on"
            return Onset(Answer.TOO_FEW, fitted=fitted, reason=reason)
        top = int(later[c.val[later].argmax()])
        reason = f"{known}, and from then on validation accuracy is at most {c.level(top)}"
        if len(later) <= LEAST:
            reason += f"; {evaluations(len(later))} from there on, and at least {LEAST + 1} are needed"
            return Onset(Answer.UNFINISHED, fitted=fitted, reason=reason)
        if c.status in STOPPED:
            return Onset(Answer.UNFINISHED, fitted=fitted, reason=reason + c.stopped())
        return Onset(Answer.NEVER, fitted=fitted, reason=reason)
    first = int(np.flatnonzero(good)[0])
    reached = f"validation accuracy first reached {THRESHOLD} at step {int(c.when[later[first]]):,}"
    if good[first:].all():
        reason = f"{reached}, {evaluations(len(good) - first - 1)} before the end, and at least {LEAST} are needed"
        return Onset(Answer.UNFINISHED, fitted=fitted, reason=reason)
    fell = first + int(np.flatnonzero(~good[first:])[0])
    reason = (
        f"{reached}, fell to {c.level(int(later[fell]))}, and never held it for {HOLD} evaluations more (at most "
        f"{_longest(good) - 1})"
    )
    return Onset(Answer.RELAPSED, fitted=fitted, reason=reason)


def _longest(good: NDArray[np.bool_]) -> int:
    """The most True values in a row."""
    ends = np.flatnonzero(np.diff(np.concatenate(([0], good.astype(np.int8), [0]))))
    return int((ends[1::2] - ends[::2]).max())


def _chance(c: Curves) -> str:
    return "not known and taken as 0" if c.chance is None else share(c.chance)


def already(c: Curves, fitted: int, near: int, half: float, since: int) -> Onset:
    """Validation accuracy was beyond halfway at its evaluation `near`, when train was learned at step `fitted`, and
    holds from its evaluation `since` on."""
    reason = (
        f"validation accuracy was already {c.level(near)} when train accuracy reached {THRESHOLD} at step "
        f"{fitted:,} (halfway from chance, {_chance(c)}, to {THRESHOLD} is {share(half)}), and holds "
        f"{THRESHOLD} from step {int(c.when[since]):,}"
    )
    return Onset(Answer.TOGETHER, fitted=fitted, reason=reason)


def soon(fitted: int, onset: int, least: float) -> Onset:
    """Validation accuracy followed within fewer than `least` steps."""
    reason = (
        f"validation accuracy holds {THRESHOLD} from step {onset:,}, {onset - fitted:,} steps after train "
        f"accuracy reached it, and {GAP:.0%} of the steps so far would be {least:,.0f}"
    )
    return Onset(Answer.TOGETHER, fitted=fitted, reason=reason)


def too_coarse(c: Curves, fitted: int, onset: int, between: int) -> Onset:
    """The evaluations are too far apart, with so many `between` the two, to tell whether there was a gap."""
    return Onset(Answer.TOO_FEW, fitted=fitted, reason=_too_coarse(c, fitted, onset, between))


def _too_coarse(c: Curves, fitted: int, onset: int, between: int) -> str:
    known = f"train accuracy reached {THRESHOLD} at step {fitted:,}"
    if c.when[0] > fitted:
        return f"{known}, and validation accuracy was first evaluated at step {int(c.when[0]):,}"
    if between < LEAST:
        many = f"{evaluations(between)} of validation accuracy between, where at least {LEAST} are needed"
        return f"{known} and validation accuracy at step {onset:,}, with {many}"
    near, following = np.searchsorted(c.when, fitted, "right") - 1, np.searchsorted(c.when, fitted)
    return (
        f"{known}, and validation accuracy is {c.level(int(near))} before that and {c.level(int(following))} after "
        f"(chance is {_chance(c)})"
    )


def evaluations(many: int) -> str:
    """So many evaluations, in words."""
    return f"{many:,} evaluation{'' if many == 1 else 's'}"
