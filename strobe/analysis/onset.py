"""Whether a model grokked, and when: validation learned late, after the training set, and for good.

The rule is ours: the literature speaks of delayed generalisation and gives none. Each answer has its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strobe.analysis.accuracy import Refusal, shares

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

Floats = NDArray[np.float64]


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
            text += f", when validation accuracy was {_share(self.at_fitted)}"
        if self.relapses:
            times = "once, at" if len(self.relapses) == 1 else f"{len(self.relapses)} times, first at"
            text += f". It relapses {times} step {self.relapses[0]:,}"
        return text + "."


@dataclass(frozen=True)
class _Curves:
    """Shares at the evaluations: train (n,) at steps at (n,), val (m,) at steps when (m,); all known, ascending."""

    at: Floats
    train: Floats
    when: Floats
    val: Floats
    chance: float | None
    status: str

    def level(self, index: int) -> str:
        return f"{_share(self.val[index])} at step {int(self.when[index]):,}"

    def stopped(self) -> str:
        return f"; {STOPPED[self.status]} at step {int(max(self.at[-1], self.when[-1])):,}"


def grokking_onset(
    steps: ArrayLike, train_accuracy: ArrayLike, val_accuracy: ArrayLike, *,
    chance: float | None = None, status: str = "finished", lost: int = 0,
) -> Onset:  # fmt: skip
    """The grokking onset by RULE.

    All three are one-dimensional and of one length n, in any order of steps; an evaluation is a step where validation
    accuracy is finite, so a train accuracy that was written more often does no harm. Shares or, if both exceed it
    together, percentages (`strobe.analysis.accuracy`). `chance` is the accuracy of guessing, 0 where it is not known.
    `status` is that of the table `runs`: a run that stopped early did not answer with never. `lost` is how many
    evaluations of validation accuracy were recorded as no finite number, which is said. Raises ValueError on
    unequal lengths.
    """
    columns = [np.asarray(column, dtype=np.float64) for column in (steps, train_accuracy, val_accuracy)]
    if any(a.ndim != 1 or len(a) != len(columns[0]) for a in columns):
        raise ValueError(f"columns must be of one length, got shapes {[a.shape for a in columns]}")
    order = np.argsort(columns[0], kind="stable")
    at, train, val = (column[order] for column in columns)
    for who, values in (("train", train), ("validation", val)):
        if not np.isfinite(values).any():
            return Onset(Answer.NOT_RECORDED, reason=f"{who} accuracy is never a finite number")
    scaled = shares(train, val, THRESHOLD)
    if isinstance(scaled, Refusal):
        return Onset(Answer.SCALE, reason=scaled.reason)
    known, evaluated = np.isfinite(train), np.isfinite(val)
    curves = _Curves(at[known], scaled.train[known], at[evaluated], scaled.val[evaluated], chance, status)
    found = _answer(curves)
    remarks = ["The accuracies are percentages, read as shares."] if scaled.percent else []
    if chance is None and found.answer is Answer.GROKKED:
        remarks.append("Chance is not known and taken as 0.")
    if lost:
        remarks.append(f"{_evaluations(lost)} of validation accuracy {'are' if lost > 1 else 'is'} not finite.")
    return replace(found, percent=scaled.percent, remarks=tuple(remarks))


def _answer(c: _Curves) -> Onset:
    if len(c.val) <= LEAST:
        many = f"{_evaluations(len(c.val))} of validation accuracy (highest {c.level(int(c.val.argmax()))})"
        return Onset(Answer.TOO_FEW, reason=f"{many}, and at least {LEAST + 1} are needed")
    learned = _learned(c.train)
    if learned == 0 and c.val[0] >= THRESHOLD:
        first = f"train accuracy is {_share(c.train[0])} and validation accuracy {_share(c.val[0])}"
        return Onset(Answer.STARTED, fitted=int(c.at[0]), reason=f"{first} where the log begins, {_from(c)}")
    if learned is None:
        return _train_never(c)
    fitted = int(c.at[learned])
    later = np.flatnonzero(c.when >= fitted)
    good = c.val[later] >= THRESHOLD
    for k in np.flatnonzero(good):
        following = good[k + 1 : k + 1 + HOLD]
        if len(following) >= LEAST and following.all():
            return _held(c, fitted, int(later[k]))
    return _never_held(c, fitted, later, good)


def _learned(train: Floats) -> int | None:
    """The first evaluation with train accuracy >= THRESHOLD and, of the AFTER that follow or as many as there are, a
    median that is as well: one noisy evaluation is no training set known."""
    for k in np.flatnonzero(train >= THRESHOLD).tolist():
        following = train[k + 1 : k + 1 + AFTER]
        if not len(following) or np.median(following) >= THRESHOLD:
            return int(k)
    return None


def _from(c: _Curves) -> str:
    steps = sorted({int(c.at[0]), int(c.when[0])})
    return f"at step {steps[0]:,}" if len(steps) == 1 else f"at steps {steps[0]:,} and {steps[1]:,}"


def _train_never(c: _Curves) -> Onset:
    top = int(c.train.argmax())
    reason = f"train accuracy is at most {_share(c.train[top])} (step {int(c.at[top]):,}), and {THRESHOLD} is needed"
    if spikes := np.flatnonzero(c.train >= THRESHOLD).tolist():
        many = f"at {_evaluations(len(spikes))}" + (", first" if len(spikes) > 1 else "")
        first = f"train accuracy reaches {THRESHOLD} {many} at step {int(c.at[spikes[0]]):,}"
        reason = f"{first}, and did not hold it: the median of the next {AFTER} is below it"
    if (c.val >= THRESHOLD).any():
        reason += f", though validation accuracy is {c.level(int(c.val.argmax()))}"
    if c.status in STOPPED:
        return Onset(Answer.UNFINISHED, reason=reason + c.stopped())
    return Onset(Answer.TRAIN_NEVER, reason=reason)


def _never_held(c: _Curves, fitted: int, later: NDArray[np.int64], good: NDArray[np.bool_]) -> Onset:
    known = f"train accuracy reached {THRESHOLD} at step {fitted:,}"
    if not good.any():
        if not len(later):
            reason = f"{known}, and validation accuracy was not evaluated from then on"
            return Onset(Answer.TOO_FEW, fitted=fitted, reason=reason)
        top = int(later[c.val[later].argmax()])
        reason = f"{known}, and from then on validation accuracy is at most {c.level(top)}"
        if len(later) <= LEAST:
            reason += f"; {_evaluations(len(later))} from there on, and at least {LEAST + 1} are needed"
            return Onset(Answer.UNFINISHED, fitted=fitted, reason=reason)
        if c.status in STOPPED:
            return Onset(Answer.UNFINISHED, fitted=fitted, reason=reason + c.stopped())
        return Onset(Answer.NEVER, fitted=fitted, reason=reason)
    first = int(np.flatnonzero(good)[0])
    reached = f"validation accuracy first reached {THRESHOLD} at step {int(c.when[later[first]]):,}"
    if good[first:].all():
        reason = f"{reached}, {_evaluations(len(good) - first - 1)} before the end, and at least {LEAST} are needed"
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


def _held(c: _Curves, fitted: int, k: int) -> Onset:
    """The answer where validation accuracy is held from its evaluation k on: whether there was a gap before."""
    onset, half = int(c.when[k]), ((c.chance or 0.0) + THRESHOLD) / 2
    upto, following = np.flatnonzero(c.when <= fitted), int(np.searchsorted(c.when, fitted))
    near = int(upto[-1]) if len(upto) else following
    if len(upto) and c.val[near] > half:
        reason = (
            f"validation accuracy was already {c.level(near)} when train accuracy reached {THRESHOLD} at step "
            f"{fitted:,} (halfway from chance, {_chance(c)}, to {THRESHOLD} is {_share(half)}), and holds "
            f"{THRESHOLD} from step {int(c.when[_since(c, k)]):,}"
        )
        return Onset(Answer.TOGETHER, fitted=fitted, reason=reason)
    least = GAP * (onset - min(c.at[0], c.when[0]))
    if onset - fitted < least:
        reason = (
            f"validation accuracy holds {THRESHOLD} from step {onset:,}, {onset - fitted:,} steps after train "
            f"accuracy reached it, and {GAP:.0%} of the steps so far would be {least:,.0f}"
        )
        return Onset(Answer.TOGETHER, fitted=fitted, reason=reason)
    between = int(((c.when > fitted) & (c.when < onset)).sum())
    if between < LEAST or c.val[following] > half:
        return Onset(Answer.TOO_FEW, fitted=fitted, reason=_too_coarse(c, fitted, onset, between))
    bad = c.val < THRESHOLD
    falls = np.flatnonzero(bad[k + 1 :] & ~bad[k:-1]) + k + 1
    return Onset(
        Answer.GROKKED, onset, fitted, tuple(int(c.when[j]) for j in falls), at_fitted=float(c.val[near])
    )  # fmt: skip


def _chance(c: _Curves) -> str:
    return "not known and taken as 0" if c.chance is None else _share(c.chance)


def _since(c: _Curves, k: int) -> int:
    """Where the stretch of evaluations at or above THRESHOLD begins that k lies in."""
    below = np.flatnonzero(c.val[:k] < THRESHOLD)
    return int(below[-1]) + 1 if len(below) else 0


def _too_coarse(c: _Curves, fitted: int, onset: int, between: int) -> str:
    known = f"train accuracy reached {THRESHOLD} at step {fitted:,}"
    if c.when[0] > fitted:
        return f"{known}, and validation accuracy was first evaluated at step {int(c.when[0]):,}"
    if between < LEAST:
        many = f"{_evaluations(between)} of validation accuracy between, where at least {LEAST} are needed"
        return f"{known} and validation accuracy at step {onset:,}, with {many}"
    near, following = np.searchsorted(c.when, fitted, "right") - 1, np.searchsorted(c.when, fitted)
    return (
        f"{known}, and validation accuracy is {c.level(int(near))} before that and {c.level(int(following))} after "
        f"(chance is {_chance(c)})"
    )


def _evaluations(many: int) -> str:
    return f"{many:,} evaluation{'' if many == 1 else 's'}"


def _share(value: float) -> str:
    """A share in up to four decimals, and never rounded up to the threshold."""
    text = f"{value:.3g}" if abs(value) < 0.1 else f"{value:.3f}".rstrip("0").rstrip(".")
    return text if (float(text) >= THRESHOLD) == (value >= THRESHOLD) else f"{value:.6f}"
