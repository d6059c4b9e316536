"""Progress measures of a model that adds modulo p: what its logits owe to the key frequencies.

Logits are (p * p, classes >= p), row a * p + b; classes from p on ("=") are dropped first, but for what is compared
with a training's log (`model_loss`, `accuracy`). Every loss is a mean cross-entropy in nats, in float64: a float32
log-softmax bottoms out near 1e-7. `rows` picks inputs (a split); None is all of them.
Source: Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.fourier import frequencies as all_frequencies

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def losses(logits: Array, labels: Array) -> Floats:
    """-log softmax(logits)[label] of each row in float64: logits (n, classes), labels (n,) -> (n,).

    As log(1 + sum over the other classes of exp(l_j - l_label)), which keeps losses far below 1e-16 apart. NaN
    where a logit is not finite.
    """
    others = np.array(logits, np.float64)
    index = np.asarray(labels)[:, None]
    chosen = np.take_along_axis(others, index, axis=1)[:, 0]
    np.put_along_axis(others, index, -np.inf, axis=1)
    top = others.max(axis=1)
    with np.errstate(invalid="ignore"):
        behind = top + np.log(np.exp(others - top[:, None]).sum(axis=1)) - chosen
    each: Floats = np.logaddexp(0, behind)
    return each


def cross_entropy(logits: Array, labels: Array) -> float:
    """The mean of `losses`; NaN for no rows."""
    return float(losses(logits, labels).mean()) if len(logits) else float("nan")


def full_loss(logits: Array, p: int, rows: Array | None = None) -> float:
    """The loss of the logits as they are over the p residue classes: what the other losses are compared with."""
    exact = _residue_logits(logits, p)
    chosen, labels = _select(exact, p, rows)
    return cross_entropy(chosen, labels)


def model_loss(logits: Array, p: int, rows: Array | None = None) -> float:
    """The loss over all classes that the model has: what a training logs."""
    chosen, labels = _select(_sum_logits(logits, p), p, rows)
    return cross_entropy(chosen, labels)


def accuracy(logits: Array, p: int, rows: Array | None = None) -> float:
    """The share of inputs whose largest logit, of all classes that the model has, is that of (a + b) mod p; NaN for
    no rows, and where a logit is not finite."""
    chosen, labels = _select(_sum_logits(logits, p), p, rows)
    if not len(chosen) or not np.isfinite(chosen).all():
        return float("nan")
    return float((chosen.argmax(axis=1) == labels).mean())


def neuron_logit_map(W_U: Array, W_out: Array, p: int) -> Floats:
    """W_L = W_U W_out: what each neuron adds to the logits of the residues, in float64: (p, layers * neurons).

    `W_U` is (classes >= p, width), `W_out` (layers, width, neurons); the neurons of all layers stand side by side.
    """
    out = np.concatenate(list(np.asarray(W_out, np.float64)), axis=1)
    product: Floats = np.asarray(W_U[:p], np.float64) @ out
    return product


def restricted_loss(logits: Array, p: int, frequencies: Iterable[int], rows: Array | None = None) -> float:
    """The loss when only the key frequencies speak: of P(L) plus the per-class mean of L over all inputs.

    P(L) projects the logits, as functions of the p * p inputs, on cos and sin of 2 pi k (a + b) / p for each key k.
    Without keys P(L) is 0 and the classes' means alone remain.
    """
    exact = _residue_logits(logits, p)
    kept = _projection(exact, p, frequencies) + exact.mean(axis=0)
    # P(L) depends on a + b alone, so p rows hold it all.
    counts = np.bincount(_sums(p) if rows is None else _sums(p)[rows], minlength=p)
    if counts.sum() == 0:
        return float("nan")
    return float(counts @ losses(kept, np.arange(p)) / counts.sum())


class ExcludedLoss(NamedTuple):
    """The loss without the key frequencies."""

    all_keys: float
    each: Floats
    """(keys,): without that key alone, in the order given."""


def excluded_loss(logits: Array, p: int, frequencies: Iterable[int], rows: Array | None = None) -> ExcludedLoss:
    """The loss of L - P(L), with no correction of the bias: all keys at once and each alone.

    By definition `rows` are the train split's. Without keys `all_keys` is the full loss.
    """
    keys = list(frequencies)
    exact = _residue_logits(logits, p)
    chosen, labels = _select(exact, p, rows)

    def without(some: list[int]) -> float:
        # The label is (a + b) mod p, which is also the row of the projection.
        return cross_entropy(chosen - _projection(exact, p, some)[labels], labels)

    return ExcludedLoss(without(keys), np.array([without([key]) for key in keys]))


def cosine_coefficients(logits: Array, p: int) -> Floats:
    """<L, w> for the unit vector w along cos(2 pi k (a + b - c) / p) over (a, b, c), per frequency: (K,).

    Unit: logits times p^1.5 / sqrt(2) per unit of amplitude (p^1.5 at the Nyquist frequency of an even p).
    """
    exact = _residue_logits(logits, p)
    totals = _by_sum(exact, p)
    difference = (np.arange(p)[:, None] - np.arange(p)) % p
    by_difference = np.bincount(difference.ravel(), totals.ravel(), minlength=p)
    products = np.fft.rfft(by_difference).real[1:]
    norms = np.where(2 * all_frequencies(p) == p, p**1.5, np.sqrt(p**3 / 2))
    coefficients: Floats = products / norms
    return coefficients


def _sums(p: int) -> npt.NDArray[np.int64]:
    """(a + b) mod p of each row a * p + b: its class too."""
    a, b = np.divmod(np.arange(p * p), p)
    return (a + b) % p


def _sum_logits(logits: Array, p: int) -> Floats:
    if logits.ndim != 2 or logits.shape[0] != p * p or logits.shape[1] < p:
        raise ValueError(f"logits of shape {logits.shape} are not ({p * p}, {p} classes or more)")
    return np.asarray(logits, np.float64)


def _residue_logits(logits: Array, p: int) -> Floats:
    return _sum_logits(logits, p)[:, :p]


def _select(exact: Floats, p: int, rows: Array | None) -> tuple[Floats, npt.NDArray[np.int64]]:
    return (exact, _sums(p)) if rows is None else (exact[rows], _sums(p)[rows])


def _by_sum(exact: Floats, p: int) -> Floats:
    """The total of the rows with (a + b) mod p = s, by s: (p, p)."""
    grid = exact.reshape(p, p, p)
    totals = np.zeros((p, p))
    for a in range(p):
        totals[a:] += grid[a, : p - a]
        totals[:a] += grid[a, p - a :]
    return totals


def _projection(exact: Floats, p: int, frequencies: Iterable[int]) -> Floats:
    """P(L) as a function of (a + b) mod p and of the class: (p, p)."""
    keys = np.array(sorted(set(frequencies)), np.int64)
    if keys.size and not 1 <= keys[0] <= keys[-1] <= p // 2:
        raise ValueError(f"frequencies {keys.tolist()} are not all in 1..{p // 2}")
    angle = 2 * np.pi / p * (keys[:, None] * np.arange(p) % p)
    waves = np.concatenate([np.cos(angle), np.sin(angle[2 * keys != p])])
    # Over the p * p inputs each wave is repeated p times, so its squared norm there is p times the one here.
    squares = np.einsum("ws,ws->w", waves, waves) * p
    projection: Floats = waves.T @ ((waves @ _by_sum(exact, p)) / squares[:, None])
    return projection
