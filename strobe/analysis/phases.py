"""The phases of grokking by declared rules: memorization, circuit formation, cleanup.

Nanda et al. 2023 draw them by eye on the progress measures; here each border is a rule on the losses, with its
thresholds as parameters. Of the borders only the end of memorization has been seen to be stable across seeds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FALL = 0.5
"""Cleanup begins where the test loss first is at most this share of its peak."""
DONE = 0.01
"""Cleanup ends where the test loss first is at most this share of its peak."""
LEARNED = 0.5
"""By the end of memorization the train loss is at most this share of its first value."""
STEADY = 0.6
"""Kendall's tau of the excluded loss with the steps is at least this over circuit formation, and that of the
restricted loss at most the negative of it."""
LEAST = 4
"""Snapshots of circuit formation, both borders counted, below which a trend cannot be told from chance."""
EARNED = 0.04
EARNED_OF = 1_000
"""How often random curves earn phases: at most this share of so many, over the kinds that docs/analyses.md lists."""


class Phase(NamedTuple):
    """From the snapshot at step `start` to the one at step `end`."""

    name: str
    start: int
    end: int


class Phases(NamedTuple):
    """In order; none where the rules do not hold, and `reason` then says which."""

    found: tuple[Phase, ...]
    reason: str = ""


def phases(
    steps: Array, train: Array, test: Array, excluded: Array, restricted: Array,
    *, fall: float = FALL, done: float = DONE,
) -> Phases:  # fmt: skip
    """The phases from losses in nats at `steps` (n,) ascending; steps at which one of them is not known do not count.

    Memorization ends at the least excluded loss before the test loss has fallen: from there on the key frequencies
    carry ever more. Circuit formation ends, and cleanup begins, where the test loss is at most `fall` of its peak;
    cleanup ends where it is at most `done` of it, else at the last step. Required besides: the train loss has at
    least halved by the end of memorization, and over circuit formation, which has at least `LEAST` snapshots, the
    excluded loss rises and the restricted one falls steadily (Kendall's tau of `STEADY`). Raises ValueError unless
    0 < done < fall < 1.
    """
    if not 0 < done < fall < 1:
        raise ValueError(f"fall {fall} and done {done} are not shares with done below fall")
    columns = np.stack([np.asarray(column, np.float64) for column in (steps, train, test, excluded, restricted)])
    at, train, test, excluded, restricted = columns[:, np.isfinite(columns).all(axis=0)]
    if len(at) < 4:
        return Phases((), f"{len(at)} snapshots have all four losses, and at least 4 are needed")
    peak = int(test.argmax())
    low = np.flatnonzero(test[peak:] <= fall * test[peak])
    if not len(low):
        return Phases((), f"the test loss never falls to {fall:.0%} of its peak")
    cleanup = peak + int(low[0])
    learned = int(excluded[:cleanup].argmin())
    if train[learned] > LEARNED * train[0]:
        return Phases((), "the training set is not learned before the test loss falls: nothing is memorized first")
    between = slice(learned, cleanup + 1)
    if cleanup + 1 - learned < LEAST:
        few = f"{cleanup + 1 - learned} snapshot{'s' if cleanup > learned else ''}"
        return Phases((), f"circuit formation would have {few}, and a trend cannot be told below {LEAST}")
    rises, falls = kendall_tau(excluded[between]), kendall_tau(-restricted[between])
    if min(rises, falls) < STEADY:
        return Phases((), (
            "before the test loss falls the key frequencies do not come to carry the answer: the excluded loss rises "
            f"with Kendall's tau {rises:.2f} and the restricted one falls with {falls:.2f}, and {STEADY} is "
            "needed of both"
        ))  # fmt: skip
    end = np.flatnonzero(test[cleanup:] <= done * test[peak])
    last = cleanup + int(end[0]) if len(end) else len(at) - 1
    borders = [int(at[k]) for k in (0, learned, cleanup, last)]
    names = ("memorization", "circuit formation", "cleanup")
    return Phases(tuple(Phase(name, *ends) for name, *ends in zip(names, borders[:-1], borders[1:], strict=True)))


def kendall_tau(values: Array) -> float:
    """Agreement in rank of `values` (n,), n >= 2, with their order: pairs that rise less pairs that fall, over all
    pairs. 1 for a strict rise, -1 for a strict fall, near 0 for noise."""
    signs = np.sign(np.asarray(values, np.float64)[None, :] - np.asarray(values, np.float64)[:, None])
    n = len(signs)
    return float(np.triu(signs, 1).sum() / (n * (n - 1) / 2))
