"""Why what a run logged is not what its snapshots give: one reason for the run where one explains it all.

The neighbouring step is asked first, for a log that is a step off also looks like another split: the loss over all
inputs hardly changes in one step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from strobe.analysis.loss_check import METRICS, Tolerance, agrees

LATER: Final = (
    "the snapshot of step s gives what was logged at step s + 1: logged before the update that the snapshot holds, "
    "or steps of the log are counted one on"
)
EARLIER: Final = (
    "the snapshot of step s gives what was logged at step s - 1: logged after the update that leads to step s, or "
    "steps of the log are counted one back"
)
NEXT: Final = "the next snapshot gives what was logged: the log is one snapshot ahead"
PREVIOUS: Final = "the snapshot before gives what was logged: the log is one snapshot behind"
EXCHANGED: Final = "train and validation rows look exchanged"
TRAIN_ALONE: Final = (
    "all of val is right, so the split and the model are: train was logged before or after the update, over other "
    "rows than all of train, or with something added, as dropout or a penalty"
)
OTHER_ROWS: Final = "over all inputs the model does what was logged, so other rows are train: another seed or split"
OTHER_MODEL: Final = (
    "a matrix that lies the other way, a bias or norm that was not recorded, parameters of another step, lower "
    "precision, or a loss over other classes or positions"
)
OTHER_SPLIT_OR_MODEL: Final = f"another split or seed, {OTHER_MODEL}"

CLOSE: Final = 0.2
"""Share of a tolerance within which values must lie to speak for a reason: 0.4% of a loss in float32, where the
embedded run's, in float16, are off by 0.06%. Within all of it those of a neighbouring step often lie by chance."""

Values = Mapping[str, float]
"""By metric, finite; those that are not known are absent."""


@dataclass(frozen=True)
class Compared:
    """One snapshot: what was logged at its step, and a step `earlier` and `later`, and what the snapshot gives."""

    logged: Values
    computed: Values
    earlier: Values = field(default_factory=dict)
    later: Values = field(default_factory=dict)


class Evidence:
    """All snapshots of a run, in the order of steps.

    `train_share` is the share of the inputs that are train, and `rows_given` whether those rows are data of the run.
    """

    def __init__(
        self,
        snapshots: Sequence[Compared],
        tolerance: Tolerance,
        *,
        train_share: float | None = None,
        rows_given: bool = False,
    ) -> None:
        self._snapshots, self._tolerance = snapshots, tolerance
        self._close = Tolerance(*(CLOSE * each for each in tolerance))
        self._share, self._rows_given = train_share, rows_given

    def reason(self, metric: str) -> str:
        """Why `metric` disagrees, where it does at one of the snapshots."""
        return self._of_neighbours(metric.partition("_")[0]) or self._of_rows()

    def _of_neighbours(self, split: str) -> str:
        """The reason that explains every value of "train" or "val" by that of a neighbour; empty where none does."""
        here = self._snapshots
        pairs: dict[str, list[tuple[Values, Compared]]] = {
            LATER: [(each.later, each) for each in here],
            EARLIER: [(each.earlier, each) for each in here],
        }
        if len(here) > 2:
            pairs[NEXT] = [(each.logged, after) for each, after in itertools.pairwise(here)]
            pairs[PREVIOUS] = [(each.logged, before) for before, each in itertools.pairwise(here)]
        return next((why for why, each in pairs.items() if self._all_are_one(split, each)), "")

    def _all_are_one(self, split: str, pairs: Sequence[tuple[Values, Compared]]) -> bool:
        """Whether all values that are known are the snapshots', with one among them that is not what was logged."""
        known = [
            (name, logged[name], at) for name in METRICS if name.startswith(split)
            for logged, at in pairs if name in logged and name in at.computed
        ]  # fmt: skip
        wrong = any(not self._right(name, at, self._tolerance) for name, _, at in known)
        return wrong and all(agrees(name, logged, at.computed[name], self._close) for name, logged, at in known)

    def _of_rows(self) -> str:
        if self._holds(self._exchanged):
            return EXCHANGED
        val = [
            (name, at) for name in METRICS if name.startswith("val") for at in self._snapshots if name in at.logged
        ]
        if any(name == "val_loss" for name, _ in val) and all(self._right(*each, self._close) for each in val):
            return TRAIN_ALONE
        if self._share is not None and self._holds(self._overall):
            return OTHER_ROWS
        return OTHER_MODEL if self._rows_given else OTHER_SPLIT_OR_MODEL

    def _right(self, metric: str, at: Compared, tolerance: Tolerance) -> bool:
        """Whether a value is what was logged; True where that is not known."""
        if metric not in at.logged or metric not in at.computed:
            return True
        return agrees(metric, at.logged[metric], at.computed[metric], tolerance)

    def _holds(self, rule: Callable[[str, str, Compared], bool]) -> bool:
        """Whether a rule of train and val holds at every snapshot: of their losses, else of their accuracies.

        A train loss of a minibatch says nothing of the rows; the accuracies beside it may.
        """
        for kind in ("loss", "accuracy"):
            names = f"train_{kind}", f"val_{kind}"
            pairs = [
                each for each in self._snapshots
                if all(name in values for name in names for values in (each.logged, each.computed))
            ]  # fmt: skip
            if not all(self._right(name, each, self._tolerance) for each in pairs for name in names):
                return all(rule(*names, each) for each in pairs)
        return False

    def _exchanged(self, train: str, val: str, at: Compared) -> bool:
        crosswise = ((train, val), (val, train))
        return all(agrees(one, at.logged[one], at.computed[other], self._tolerance) for one, other in crosswise)

    def _overall(self, train: str, val: str, at: Compared) -> bool:
        """Whether the mean over all inputs is the logged one: it is the same whatever the split."""
        share = math.nan if self._share is None else self._share
        means = [share * each[train] + (1 - share) * each[val] for each in (at.logged, at.computed)]
        return agrees(train, means[0], means[1], self._close)
