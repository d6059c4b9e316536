"""Which layers tell trained passages from novel ones, since when, and which one best.

A passage is one observation: its tokens are not independent of each other.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.memorization.distributions import t_chance, t_quantile
from strobe.analysis.memorization.outcome import Outcome, cannot_tell
from strobe.analysis.multiple_tests import holm

Floats = npt.NDArray[Any]

LEVEL: Final = 0.01
"""The largest chance of any false finding among all tests of a study. At the usual 0.05 one study in twenty would
report something of nothing."""
_FEWEST: Final = 5
_HALVINGS: Final = 200


def difference(first: Floats, second: Floats) -> Outcome:
    """Of the means of two groups (m,) and (n,), in their pooled standard deviation (Hedges' g, its interval by its
    usual large-sample error); statistic and p are Welch's, which do not take the groups to vary alike."""
    first, second = (np.asarray(each, np.float64) for each in (first, second))
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    m, n = len(first), len(second)
    if min(m, n) < _FEWEST:
        return cannot_tell(f"too few: {m} and {n} passages, of at least {_FEWEST} each")
    parts = first.var(ddof=1) / m, second.var(ddof=1) / n
    if sum(parts) == 0:
        return cannot_tell("neither group varies")
    t = float((first.mean() - second.mean()) / math.sqrt(sum(parts)))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (m - 1) + parts[1] ** 2 / (n - 1))
    pooled = math.sqrt(((m - 1) * first.var(ddof=1) + (n - 1) * second.var(ddof=1)) / (m + n - 2))
    g = float((first.mean() - second.mean()) / pooled) * (1 - 3 / (4 * (m + n) - 9))
    reach = t_quantile(m + n - 2) * math.sqrt((m + n) / (m * n) + g * g / (2 * (m + n)))
    return Outcome(t, g, g - reach, g + reach, t_chance(t, freedom))


def separations(trained: Floats, novel: Floats) -> list[list[Outcome]]:
    """Of scores (epochs, layers, passages) of both groups: the difference at each epoch, as a row of layers."""
    return [
        [difference(*groups) for groups in zip(*layers, strict=True)] for layers in zip(trained, novel, strict=True)
    ]


def first_separated(epochs: npt.NDArray[Any], tests: list[list[Outcome]], level: float = LEVEL) -> list[int | None]:
    """Of each layer: the first epoch at which its groups differ, after Holm's correction over all tests given."""
    p = np.array([[test.p for test in row] for row in tests])
    apart = holm(p.ravel()).reshape(p.shape) <= level
    return [int(epochs[column.argmax()]) if column.any() else None for column in apart.T]


class BestLayer(NamedTuple):
    """The layer whose groups lie furthest apart. `outcome` has p times the number of layers, among which it was
    chosen; its effect is what passages show that had no part in choosing, over random halves, with the interval in
    which 95% of the halves lie. `agreement` is the share of halves that choose this layer."""

    layer: int | None
    outcome: Outcome
    agreement: float


def best_layer(trained: Floats, novel: Floats, seed: int = 0) -> BestLayer:
    """Of scores (layers, passages) of both groups at one epoch."""
    each = [difference(*groups) for groups in zip(trained, novel, strict=True)]
    able = [layer for layer, test in enumerate(each) if not test.reason]
    if not able:
        return BestLayer(None, each[0] if each else cannot_tell("there is no layer"), math.nan)
    best = max(able, key=lambda layer: abs(each[layer].statistic))
    effects, chosen = _held_out(trained, novel, np.random.default_rng(seed))
    p = min(1.0, each[best].p * len(able))
    if not len(effects):
        outcome = Outcome(each[best].statistic, math.nan, math.nan, math.nan, p, "too few passages to hold half out")
        return BestLayer(best, outcome, math.nan)
    low, high = np.quantile(effects, [0.025, 0.975])
    outcome = Outcome(each[best].statistic, float(effects.mean()), float(low), float(high), p)
    return BestLayer(best, outcome, float((chosen == best).mean()))


def _held_out(trained: Floats, novel: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """(effect on one half of the layer that the other half chooses, that layer), of each halving."""
    effects, chosen = [], []
    for _ in range(_HALVINGS):
        orders = [generator.permutation(group.shape[1]) for group in (trained, novel)]
        choosing, holding = (
            [group[:, part] for group, part in zip((trained, novel), parts, strict=True)]
            for parts in zip(*(np.array_split(order, 2) for order in orders), strict=True)
        )
        apart = np.abs(_distances(*choosing))
        if min(each.shape[1] for each in holding) < _FEWEST or np.isnan(apart).all():
            continue
        layer = int(np.nanargmax(apart))
        effect = float(_distances(*holding)[layer])
        if math.isfinite(effect):
            effects.append(effect)
            chosen.append(layer)
    return np.array(effects), np.array(chosen)


def _distances(first: Floats, second: Floats) -> Floats:
    """Hedges' g of each row of (L, m) and (L, n); NaN where neither varies."""
    m, n = first.shape[1], second.shape[1]
    pooled = ((m - 1) * first.var(1, ddof=1) + (n - 1) * second.var(1, ddof=1)) / (m + n - 2)
    apart = first.mean(1) - second.mean(1)
    known = np.sqrt(np.where(pooled > 0, pooled, np.nan))
    return np.asarray(apart / known * (1 - 3 / (4 * (m + n) - 9)))
