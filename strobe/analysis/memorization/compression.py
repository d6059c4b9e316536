"""How much a layer compresses: whether points that lie together before it lie together behind it.

The score of a token at layer l is -ln(v + 1e-10), v the variance of the layer-(l+1) states of its k nearest
neighbours in layer l, summed over the dimensions. Neighbours are searched among all tokens of all passages, exactly,
the token itself left out by its index. A higher score is a stronger compression; the unit is nats.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

NEIGHBOURS: Final = 15
FLOOR: Final = 1e-10
"""Added to the variance: the score of states that are all equal is -ln of it, 23.0259."""
_SPARE: Final = 17
"""Candidates beyond the neighbours, among which the exact distances decide."""
_BLOCK: Final = 1024


def prefix_classes(passages: Sequence[Sequence[int]]) -> Integers:
    """Of all tokens, passage after passage, (n,): tokens have one class where everything up to them is the same.

    In a causal model their states are one and the same by construction, whatever it has learned.
    """
    known: dict[tuple[int, int], int] = {}
    classes: list[int] = []
    for passage in passages:
        before = -1
        for token in passage:
            before = known.setdefault((before, int(token)), len(known))
            classes.append(before)
    return np.asarray(classes, np.int64)


def nearest_neighbours(points: Floats, k: int) -> Integers:
    """The k nearest others of each of `points` (n, d), nearest first, as (n, k); of equally near ones those of the
    lower index. Exact in float64: blocks of float32 products choose candidates, and their error is allowed for.

    Raises ValueError where there are no k others, or a value is not finite.
    """
    from strobe.analysis.memorization.neighbour_kernels import offer, settle

    points = np.ascontiguousarray(points, np.float32)
    n, d = points.shape
    if not 1 <= k < n:
        raise ValueError(f"{n:,} points have no {k:,} neighbours each")
    centred = points - points.mean(axis=0, dtype=np.float64).astype(np.float32)
    norms = np.einsum("ij,ij->i", centred, centred, dtype=np.float64).astype(np.float32)
    if not np.isfinite(norms).all():
        raise ValueError("a state is not finite")
    many = min(n - 1, k + _SPARE)
    bounds, limits = np.full((n, many), np.inf, np.float32), np.full(n, np.inf, np.float32)
    places = np.full((n, many), -1, np.int64)
    # A product of d terms is off by at most d units in the last place of |a||b| <= (|a|^2 + |b|^2) / 2, and centring
    # by as little.
    slack = np.float32(1 - (d + 16) * np.finfo(np.float32).eps)
    for first in range(0, n, _BLOCK):
        for second in range(first, n, _BLOCK):
            products = centred[first : first + _BLOCK] @ centred[second : second + _BLOCK].T
            offer(np.ascontiguousarray(products), norms, first, second, slack, bounds, places, limits)
    nearest = np.empty((n, k), np.int64)
    settle(points, places, limits, nearest)
    return nearest


def _scores(before: Floats, after: Floats, k: int) -> npt.NDArray[np.float64]:
    from strobe.analysis.memorization.neighbour_kernels import spreads

    if not np.isfinite(after).all():
        raise ValueError("a state is not finite")
    sums = np.empty(len(after))
    spreads(after, nearest_neighbours(before, k), sums)
    scores: npt.NDArray[np.float64] = -np.log(sums + FLOOR)
    return scores


def token_scores(
    layers: Iterable[Floats], classes: Integers | None = None, k: int = NEIGHBOURS, threads: int = 2
) -> npt.NDArray[np.float64]:
    """The scores (layers - 1, n) of all tokens, for each layer but the last. `layers` gives the states (n, d) of
    each, read one after the other, of which about `threads` + 2 are held at a time.

    With `classes` (`prefix_classes`) the tokens of a class are one point: they have one score, and are no neighbours
    of each other, whose distance of 0 would say nothing of the model. Raises ValueError as `nearest_neighbours` does.
    """
    # Compiled here, not by several threads at once.
    from strobe.analysis.memorization import neighbour_kernels  # noqa: F401

    where, back = slice(None), slice(None)
    if classes is not None:
        _, where, back = np.unique(classes, return_index=True, return_inverse=True)  # type: ignore[assignment]
    made: list[npt.NDArray[np.float64]] = []
    waiting: deque[Future[npt.NDArray[np.float64]]] = deque()
    # A layer a thread: what stands between the products runs on one.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for before, after in pairwise(np.ascontiguousarray(layer[where], np.float32) for layer in layers):
            if len(waiting) == threads:
                made.append(waiting.popleft().result()[back])
            waiting.append(pool.submit(_scores, before, after, k))
        made += [each.result()[back] for each in waiting]
    return np.stack(made) if made else np.empty((0, 0))


def passage_means(scores: Floats, lengths: Sequence[int]) -> npt.NDArray[np.float64]:
    """Means (passages,) of the `scores` (n,) of the tokens of passages of these lengths, one behind the other."""
    ends = np.cumsum(lengths)
    if not len(ends) or ends[-1] != len(scores) or min(lengths) < 1:
        raise ValueError(f"{len(scores):,} scores are not those of passages of {sum(lengths):,} tokens")
    sums: npt.NDArray[np.float64] = np.add.reduceat(scores, np.concatenate([[0], ends[:-1]]))
    return np.asarray(sums / np.asarray(lengths))
