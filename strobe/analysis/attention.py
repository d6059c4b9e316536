"""What an attention head does, in six numbers, averaged over probe sequences."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class HeadScores(NamedTuple):
    """Each (..., heads), float64: means over the probe sequences and their queries from position 1 on.

    Query 0 can only attend to itself and would add the same number to every head, so it is left out.
    """

    entropy: Floats
    """Of a query's weights, in nats: 0 = one key, ln(i + 1) = all keys of query i alike."""
    previous_token: Floats
    """The weight on the key just before the query."""
    first_token: Floats
    """The weight on key 0 (at query 1 it is also the previous token)."""
    diagonal: Floats
    """The weight on the query's own position."""
    induction: Floats
    """The weight on the keys after earlier occurrences of the query's token; NaN where no token recurs so."""
    max_weight: Floats
    """The largest weight."""


def head_scores(att: Array, tokens: Array | None = None) -> HeadScores:
    """The scores of every head from `att` (..., probe, head, query, key), rows after softmax.

    `tokens` (probe, position) serves the induction score, which is NaN without it: the mean, over all queries i whose
    token also stands at some j < i - 1, of the total weight on the keys j + 1 (prefix matching, Olsson et al. 2022,
    "In-context learning and induction heads"; a key that is the query itself does not count). All NaN for sequences
    of one token. Raises ValueError for shapes that do not fit.
    """
    if att.ndim < 4 or att.shape[-1] != att.shape[-2]:
        raise ValueError(f"attention of shape {att.shape} is not (..., probe, head, query, key)")
    positions = att.shape[-1]
    if tokens is not None and tokens.shape != (att.shape[-4], positions):
        raise ValueError(f"tokens of shape {tokens.shape} do not fit attention of shape {att.shape}")
    if positions < 2:
        nothing = np.full((*att.shape[:-4], att.shape[-3]), np.nan)
        return HeadScores(*(nothing.copy() for _ in HeadScores._fields))
    rest = att[..., 1:, :]
    at = np.arange(1, positions)
    scores = (
        entropy(rest),
        att[..., at, at - 1],
        rest[..., 0],
        att[..., at, at],
        rest.max(axis=-1),
    )
    spread, previous, first, diagonal, largest = (_over_probes(score) for score in scores)
    return HeadScores(spread, previous, first, diagonal, _induction(att, tokens), largest)


def entropy(att: Array) -> Floats:
    """-sum p ln p over the last axis, in nats, 0 ln 0 = 0: (..., key) -> (...)."""
    exact = np.asarray(att)
    floor = np.finfo(exact.dtype if exact.dtype.kind == "f" else np.float64).tiny
    terms = exact * np.log(np.maximum(exact, floor))
    total: Floats = -terms.sum(axis=-1, dtype=np.float64)
    return total


def _over_probes(score: Array) -> Floats:
    """(..., probe, head, query) -> (..., head)."""
    mean: Floats = score.mean(axis=(-3, -1), dtype=np.float64)
    return mean


def induction_mask(tokens: Array) -> npt.NDArray[np.bool_]:
    """Which keys follow an earlier occurrence of the query's token: (probe, position) -> (probe, query, key)."""
    positions = tokens.shape[1]
    mask = np.zeros((len(tokens), positions, positions), bool)
    mask[:, :, 1:] = tokens[:, :, None] == tokens[:, None, :-1]
    mask &= np.tri(positions, k=-1, dtype=bool)
    return mask


def _induction(att: Array, tokens: Array | None) -> Floats:
    heads = (*att.shape[:-4], att.shape[-3])
    if tokens is None:
        return np.full(heads, np.nan)
    mask = induction_mask(tokens)
    probe, query = np.nonzero(mask.any(axis=-1))
    if not probe.size:
        return np.full(heads, np.nan)
    # Only the queries that have such keys: rows (chosen, ..., head, key).
    rows = np.moveaxis(att, (-4, -2), (0, 1))[probe, query]
    weights = np.einsum("n...k,nk->...", rows, mask[probe, query].astype(att.dtype), dtype=np.float64)
    mean: Floats = weights / len(probe)
    return mean
