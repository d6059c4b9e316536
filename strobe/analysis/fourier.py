"""Fourier structure of a model that adds modulo p: the basis, embeddings, neurons.

Frequencies are k = 1..K with K = floor(p / 2); for even p the last, p / 2, is the Nyquist frequency, which has a
cosine and no sine. Definitions follow Nanda et al. 2023, "Progress measures for grokking via mechanistic
interpretability"; `docs/analyses.md` says where ours differ from others'. What the logits hold is in `progress`.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SPECIALISED = 0.85
"""The share of one frequency from which a neuron counts as specialised, unless the caller gives another."""


class Basis(NamedTuple):
    """The Fourier basis mod p; columns run over x = 0..p-1, and all three arrays are read-only."""

    matrix: Floats
    """(p, p), orthonormal rows."""
    frequency: Ints
    """(p,): 0 for the constant, then 1, 1, 2, 2, ..."""
    kind: npt.NDArray[np.str_]
    """(p,): "constant", "cos" or "sin"."""


def frequencies(p: int) -> Ints:
    """The frequencies 1..floor(p / 2), int64. Raises ValueError when p < 2."""
    if p < 2:
        raise ValueError(f"modulus {p} is too small; give at least 2")
    return np.arange(1, p // 2 + 1)


@functools.lru_cache(maxsize=16)
def basis(p: int) -> Basis:
    """Constant, then cos(2 pi k x / p) and sin(2 pi k x / p) for k = 1, 2, ..: p rows of unit norm, float64.

    For even p the last row is the Nyquist cosine, (-1)^x. Raises ValueError when p < 2.
    """
    every = frequencies(p)
    frequency = np.concatenate([[0], np.repeat(every, 2)])[:p]
    kind = np.array(["constant", *["cos", "sin"] * len(every)][:p])
    # The product is reduced mod p first: the angle is then below 2 pi and loses nothing for large p.
    angle = 2 * np.pi / p * (frequency[:, None] * np.arange(p) % p)
    matrix = np.where((kind == "sin")[:, None], np.sin(angle), np.cos(angle))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    for array in (matrix, frequency, kind):
        array.flags.writeable = False
    return Basis(matrix, frequency, kind)


def component_norms(W_E: Array, p: int) -> Array:
    """|| row i of (B . W_E[:p]) ||_2 over the model dimension, for each row of `basis(p)`.

    `W_E` is (..., tokens, d) with tokens >= p; the rows from p on ("=" and others) are left out. Returns (..., p), in
    float64, or in float32 for float32 input (error below 1e-6 of the largest component). Unit: that of W_E.
    """
    residues = _residues(W_E, p)
    stacked = residues.reshape(-1, *residues.shape[-2:])
    norms = np.empty(stacked.shape[:2], residues.dtype)
    # A few at a time, so that what lies between stays in the cache.
    for start in range(0, len(stacked), 4):
        norms[start : start + 4] = _folded_norms(stacked[start : start + 4], p)
    return norms.reshape(residues.shape[:-1])


def _folded_norms(residues: Array, p: int) -> Array:
    """`component_norms` of (n, p, d). Cosines are even and sines odd in x: folding x onto p - x halves the work."""
    half = (p - 1) // 2
    low, high = residues[:, 1 : half + 1], residues[:, : p - half - 1 : -1]
    even = np.concatenate([residues[:, :1], low + high, residues[:, half + 1 : p - half]], axis=1)
    matrix, _, kind = basis(p)
    sine, rows = kind == "sin", matrix.astype(residues.dtype)
    norms = np.empty(residues.shape[:2], residues.dtype)
    norms[:, ~sine] = _row_norms(rows[~sine, : even.shape[1]] @ even)
    norms[:, sine] = _row_norms(rows[sine, 1 : half + 1] @ (low - high))
    return norms


def _residues(W_E: Array, p: int) -> Array:
    if W_E.ndim < 2 or W_E.shape[-2] < p:
        raise ValueError(f"an embedding of shape {W_E.shape} has no {p} rows for the residues mod {p}")
    dtype = np.float32 if W_E.dtype == np.float32 else np.float64
    return np.asarray(W_E[..., :p, :], dtype=dtype)


def _row_norms(product: Array) -> Array:
    norms: Array = np.sqrt(np.einsum("nkd,nkd->nk", product, product))
    return norms


def neuron_shares(activations: Array, p: int) -> Floats:
    """Which part of each neuron's variance over all p * p inputs belongs to each single frequency.

    `activations` is (neurons, p, p), indexed by a and b. With A_hat the 2-D Fourier transform of the centred grid,
    share_k = energy of A_hat in {constant, cos k, sin k}^2 over its total energy. Returns (K, neurons), in [0, 1];
    NaN for a neuron that does not vary. The shares of a neuron sum to 1 at most: terms that mix two frequencies are
    in the total alone. (The Nyquist frequency of an even p has three terms where others have eight.)
    """
    if activations.ndim != 3 or activations.shape[1:] != (p, p):
        raise ValueError(f"activations of shape {activations.shape} are not (neurons, {p}, {p})")
    centred, total = _centred(activations)
    # The block {constant, cos k, sin k}^2 is spanned by functions of a, of b, of a + b and of a - b alone, so four
    # sums along lines hold all of it: O(p^2) instead of O(p^3) for each neuron.
    by_sum, by_difference = _diagonal_sums(centred)
    lines = np.stack([centred.sum(axis=2), centred.sum(axis=1), by_sum, by_difference], axis=1, dtype=np.float64)
    power = np.abs(np.fft.rfft(lines, axis=-1)[..., 1:]) ** 2
    edges, diagonals = power[:, :2].sum(axis=1), power[:, 2:].sum(axis=1)
    energy = 2 * (edges + diagonals)
    if p % 2 == 0:
        energy[:, -1] = edges[:, -1] + diagonals[:, -1] / 2
    share: Floats = energy.T / (p * p) / total
    return share


def _centred(activations: Array) -> tuple[Array, Floats]:
    """The grids less their means, and the sums of their squares: NaN for a grid that is constant up to rounding."""
    dtype = np.float32 if activations.dtype == np.float32 else np.float64
    grids = activations.astype(dtype, copy=False)
    means = grids.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    centred = np.subtract(grids, means, dtype=dtype, casting="same_kind")
    total = np.einsum("nab,nab->n", centred, centred).astype(np.float64)
    rounding = (4 * np.finfo(dtype).eps * np.abs(means[:, 0, 0])) ** 2 * centred[0].size
    total[total <= rounding] = np.nan
    return centred, total


def _diagonal_sums(grids: Array) -> tuple[Array, Array]:
    """The sums of (neurons, p, p) grids over a + b = s and over a - b = s mod p: each (neurons, p)."""
    p = grids.shape[1]
    by_sum, by_difference = np.zeros((2, len(grids), p), grids.dtype)
    for a in range(p):
        row = grids[:, a]
        by_sum[:, a:] += row[:, : p - a]
        by_sum[:, :a] += row[:, p - a :]
        by_difference[:, : a + 1] += row[:, a::-1]
        by_difference[:, a + 1 :] += row[:, :a:-1]
    return by_sum, by_difference


class Best(NamedTuple):
    """The frequency that each neuron is closest to."""

    frequency: Ints
    """(neurons,): 1..K, or 0 for a neuron without shares, which has no frequency."""
    share: Floats
    """(neurons,): its share, NaN where there is no frequency."""


def best_frequency(shares: Floats) -> Best:
    """The frequency of the largest share of each neuron: `shares` is (K, neurons); ties go to the lower frequency."""
    varies = ~np.isnan(shares).any(axis=0)
    filled = np.where(varies, shares, 0.0)
    return Best(np.where(varies, filled.argmax(axis=0) + 1, 0), np.where(varies, filled.max(axis=0), np.nan))


class KeyFrequencies(NamedTuple):
    """The frequencies that specialised neurons have, ascending, and how many neurons each has."""

    frequencies: Ints
    neurons: Ints


def key_frequencies(shares: Floats, threshold: float = SPECIALISED) -> KeyFrequencies:
    """The key frequencies of a model from the shares (K, neurons) of its *final* snapshot.

    A neuron is specialised where its largest share is at least `threshold`. The set stays fixed for all earlier
    steps: a set made anew at each step holds nearly every frequency at initialisation. Empty where none is.
    """
    best = best_frequency(shares)
    keys, neurons = np.unique(best.frequency[best.share >= threshold], return_counts=True)
    return KeyFrequencies(keys, neurons)


def gini(norms: Array) -> float:
    """How unequal n component norms are: sum_i (2 i - n - 1) x_(i) / (n sum x), ascending; 0 = equal, 1 - 1/n = one.

    Give all p components or the K frequency pairs, and say which. NaN when all are 0 or one is not finite. Raises
    ValueError for a negative norm or none at all.
    """
    x = np.sort(np.asarray(norms, np.float64).ravel())
    if x.size == 0 or x[0] < 0:
        raise ValueError(f"Gini needs at least one norm and none below 0; there are {x.size} from {x[:1]}")
    n, total = x.size, x.sum()
    if not 0 < total < np.inf:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ x / (n * total))


def qk_energy(W_E: Array, W_Q: Array, W_K: Array, p: int) -> Floats:
    """How much of a head's query-key form on the residues belongs to each frequency: (K,), summing to 1.

    W_E (tokens, d); W_Q, W_K (head, d), rows of the stored qkvw. With Q = W_E[:p] W_Q^T and K alike, Q K^T goes into
    the basis on both sides; energy_k = Frobenius norm of its {cos k, sin k}^2 block over the sum of those norms.
    """
    matrix, _, _ = basis(p)
    residues = matrix @ _residues(W_E, p).astype(np.float64)
    form = (residues @ np.asarray(W_Q, np.float64).T) @ (residues @ np.asarray(W_K, np.float64).T).T
    starts = np.arange(0, p - 1, 2)
    blocks = np.add.reduceat(np.add.reduceat(form[1:, 1:] ** 2, starts, axis=0), starts, axis=1)
    energy = np.sqrt(np.diagonal(blocks))
    with np.errstate(invalid="ignore"):
        share: Floats = energy / energy.sum()
    return share
