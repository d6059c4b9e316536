"""Whether a model grokked, and when: validation learned late, after the training set, and for good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strobe.analysis import onset_reasons as reasons
from strobe.analysis.accuracy import Refusal, shares
from strobe.analysis.onset_answer import AFTER, GAP, HOLD, LEAST, THRESHOLD, Answer, Onset
from strobe.analysis.onset_reasons import Curves

Floats = NDArray[np.float64]


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
    curves = Curves(at[known], scaled.train[known], at[evaluated], scaled.val[evaluated], chance, status)
    found = _answer(curves)
    remarks = ["The accuracies are percentages, read as shares."] if scaled.percent else []
    if chance is None and found.answer is Answer.GROKKED:
        remarks.append("Chance is not known and taken as 0.")
    if lost:
        remarks.append(
            f"{reasons.evaluations(lost)} of validation accuracy {'are' if lost > 1 else 'is'} not finite."
        )
    return replace(found, percent=scaled.percent, remarks=tuple(remarks))


def _answer(c: Curves) -> Onset:
    if len(c.val) <= LEAST:
        return reasons.too_few(c)
    learned = _learned(c.train)
    if learned == 0 and c.val[0] >= THRESHOLD:
        return reasons.started(c)
    if learned is None:
        return reasons.train_never(c)
    fitted = int(c.at[learned])
    later = np.flatnonzero(c.when >= fitted)
    good = c.val[later] >= THRESHOLD
    for k in np.flatnonzero(good):
        following = good[k + 1 : k + 1 + HOLD]
        if len(following) >= LEAST and following.all():
            return _held(c, fitted, int(later[k]))
    return reasons.never_held(c, fitted, later, good)


def _learned(train: Floats) -> int | None:
    """The first evaluation with train accuracy >= THRESHOLD and, of the AFTER that follow or as many as there are, a
    median that is as well: one noisy evaluation is no training set known."""
    for k in np.flatnonzero(train >= THRESHOLD).tolist():
        following = train[k + 1 : k + 1 + AFTER]
        if not len(following) or np.median(following) >= THRESHOLD:
            return int(k)
    return None


def _held(c: Curves, fitted: int, k: int) -> Onset:
    """The answer where validation accuracy is held from its evaluation k on: whether there was a gap before."""
    onset, half = int(c.when[k]), ((c.chance or 0.0) + THRESHOLD) / 2
    upto, following = np.flatnonzero(c.when <= fitted), int(np.searchsorted(c.when, fitted))
    near = int(upto[-1]) if len(upto) else following
    if len(upto) and c.val[near] > half:
        return reasons.already(c, fitted, near, half, _since(c, k))
    least = GAP * (onset - min(c.at[0], c.when[0]))
    if onset - fitted < least:
        return reasons.soon(fitted, onset, least)
    between = int(((c.when > fitted) & (c.when < onset)).sum())
    if between < LEAST or c.val[following] > half:
        return reasons.too_coarse(c, fitted, onset, between)
    bad = c.val < THRESHOLD
    falls = np.flatnonzero(bad[k + 1 :] & ~bad[k:-1]) + k + 1
    return Onset(
        Answer.GROKKED, onset, fitted, tuple(int(c.when[j]) for j in falls), at_fitted=float(c.val[near])
    )  # fmt: skip


def _since(c: Curves, k: int) -> int:
    """Where the stretch of evaluations at or above THRESHOLD begins that k lies in."""
    below = np.flatnonzero(c.val[:k] < THRESHOLD)
    return int(below[-1]) + 1 if len(below) else 0
