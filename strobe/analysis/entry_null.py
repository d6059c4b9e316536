"""The edge of random entries, for the entries that a matrix has: heavy tails and a mean are no structure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from strobe.analysis.random_edge import RandomEdge, no_edge, random_edge

Array = npt.NDArray[Any]

SHUFFLES = 39
"""One more matrix of the same entries exceeds the largest of so many in 1 of 40 cases."""

_IN_CACHE = 1 << 17
"""Up to so many entries numpy shuffles them as fast."""
_FEW = 256
"""Up to so many eigenvalues numpy's solver is as fast; beyond, LAPACK's relatively robust representations are."""


def entry_edge(W: Array, s: Array) -> RandomEdge:
    """`random_edge` of a matrix (m, n) with singular values `s`, raised to where its shuffled entries end.

    Where a value lies beyond the closed-form edge, the entries of W are shuffled SHUFFLES times, seeded: that keeps
    how they are distributed and undoes how they are arranged. The largest singular value of each, over the
    closed-form edge of that shuffle, is how far such entries reach; the edge is raised by the largest of these where
    that is above 1, and `beyond` counts what lies beyond both. Over its own edge a value does not depend on the
    variance, so a matrix whose few directions carry most of it is measured by its bulk all the same. A permutation
    test: for independent entries of any distribution the largest value is beyond in at most 1 / (1 + SHUFFLES) of
    cases. `sigma`, `ks` and `looks_random` remain those of the values within the closed-form edge.

    No edge where `random_edge` has none, for W or for a shuffle.
    """
    found = random_edge(s, (W.shape[0], W.shape[1]))
    if found.note or not found.beyond:
        return found
    reach = _reach(W)
    if np.isnan(reach):
        return no_edge("the same entries in random order have no edge")
    edge = found.edge * max(1.0, reach)
    return found._replace(edge=edge, beyond=int((np.asarray(s, np.float64) > edge).sum()))


def _reach(W: Array) -> float:
    """Of the shuffles, the largest singular value over the edge, at most; NaN where one has no edge."""
    wide = W if W.shape[0] <= W.shape[1] else W.T
    top = float(np.abs(wide).max())
    # Scaled before it is narrowed, and float32 is enough: the bulk and the largest value are told to 1e-5.
    entries = (np.asarray(wide, np.float64) / top).astype(np.float32)
    reach = 0.0
    for shuffled in _shuffles(entries):
        s = np.sqrt(_eigenvalues(shuffled @ shuffled.T).clip(min=0))
        own = random_edge(s, (entries.shape[0], entries.shape[1]))
        if own.note:
            return float("nan")
        reach = max(reach, float(s[-1]) / own.edge)
    return reach


def _shuffles(entries: Array) -> Iterator[Array]:
    """The entries (m, n), float32, in random order, SHUFFLES times; each is overwritten by the next."""
    random, flat = np.random.default_rng(0), entries.ravel()
    if flat.size <= _IN_CACHE:
        for _ in range(SHUFFLES):
            yield random.permutation(flat).reshape(entries.shape)
        return
    from strobe.analysis.shuffle_kernel import shuffle

    shuffled, heap = np.empty_like(flat), np.empty(flat.size, np.uint8)
    for seed in random.integers(0, 2**64, SHUFFLES, np.uint64):
        shuffle(flat, shuffled, heap, seed)
        yield shuffled.reshape(entries.shape)


def _eigenvalues(gram: Array) -> Array:
    """Of a symmetric matrix (n, n), ascending, which is overwritten."""
    if len(gram) <= _FEW:
        return np.linalg.eigvalsh(gram)
    from scipy.linalg import eigh  # type: ignore[import-untyped]

    found: Array = eigh(gram, eigvals_only=True, driver="evr", overwrite_a=True, check_finite=False)
    return found
