"""Synthetic tasks whose data every implementation makes alike: numpy here, the same integers in C++.

Everything random comes from SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
2014). Its n-th output is a pure function of (state, n), so a stream needs no saved position: training resumes at any
step by counting. `docs/tasks.md` gives the rules in words and the golden values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SPLIT = "splitmix64-fisher-yates-1"
BATCHES = "splitmix64-replacement-1"
BATCH_STREAM = 0x6261746368657331
"""Exclusive-or of this ("batches1" in ASCII) with the data seed is the state of the minibatch stream."""

MOST_MODULUS = 46_340
"""Its square is the largest that fits the int32 of `ModularAddition.inputs`."""

_GAMMA = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


def splitmix64(state: int, start: int, count: int) -> Words:
    """Outputs number `start` .. `start + count - 1` (from 0) of the SplitMix64 generator seeded with `state`.

    `state` is taken mod 2**64. Returns uint64, shape (count,).
    """
    first = (state + (start + 1) * _GAMMA) & _MASK
    z = np.uint64(first) + np.arange(count, dtype=np.uint64) * np.uint64(_GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def fisher_yates(n: int, seed: int) -> Ints:
    """A permutation of 0..n-1: i from n-1 down to 1 swaps entry i with entry (next output mod (i + 1))."""
    order = list(range(n))
    bounds = np.arange(n, 1, -1, dtype=np.uint64)
    chosen = (splitmix64(seed, 0, max(n - 1, 0)) % bounds).tolist()
    for i, j in zip(range(n - 1, 0, -1), chosen, strict=True):
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)


def batch_rows(n: int, data_seed: int, step: int, batch_size: int) -> Ints:
    """Which of `n` things the minibatch of `step` holds: drawn with replacement from the second stream.

    Element k of step s is output number s * batch_size + k of SplitMix64 with state `data_seed ^ BATCH_STREAM`,
    mod n. The minibatch of step s is the one whose gradient update s + 1 uses. Returns int64, shape (batch_size,).
    """
    words = splitmix64(data_seed ^ BATCH_STREAM, step * batch_size, batch_size)
    return (words % np.uint64(n)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class ModularAddition:
    """All p * p sums a + b mod p as sequences [a, b, =], split into train and validation.

    Row a * p + b of `inputs` (int32, shape (p*p, 3)) is [a, b, p]: token p stands for "=". `labels` (int32, (p*p,))
    holds (a + b) mod p. `train_index` and `val_index` (int64) are rows, in the order of the permutation.
    """

    modulus: int
    inputs: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    train_index: Ints
    val_index: Ints

    @property
    def vocab_size(self) -> int:
        return self.modulus + 1

    def batch(self, data_seed: int, step: int, batch_size: int) -> Ints:
        """The rows of the minibatch of `step`: `train_index` at `batch_rows`, repeats included."""
        return self.train_index[batch_rows(len(self.train_index), data_seed, step, batch_size)]


def addition_counts(p: int, train_fraction: float) -> tuple[int, int]:
    """(pairs, those of them that are trained on) of the task mod `p`. Raises ValueError when a split would be empty,
    or the pairs are too many to be listed."""
    if not 2 <= p <= MOST_MODULUS:
        raise ValueError(f"modulus {p} is too {'small' if p < 2 else 'large'}; give 2 to {MOST_MODULUS:,}")
    n = p * p
    n_train = int(np.floor(float(train_fraction) * n)) if 0 < train_fraction < 1 else 0
    if not 0 < n_train < n:
        raise ValueError(
            f"train fraction {train_fraction} of {n} pairs leaves a split empty; give a number between 0 and 1"
        )
    return n, n_train


def modular_addition(p: int, train_fraction: float, data_seed: int) -> ModularAddition:
    """The task mod `p`; the first floor(train_fraction * p * p) rows of the shuffled order are the train split.

    The product is one of IEEE doubles. Raises ValueError when a split would be empty.
    """
    n, n_train = addition_counts(p, train_fraction)
    order = fisher_yates(n, data_seed)
    a, b = np.divmod(np.arange(n, dtype=np.int32), np.int32(p))
    inputs = np.stack([a, b, np.full(n, p, np.int32)], axis=1)
    return ModularAddition(p, inputs, (a + b) % np.int32(p), order[:n_train], order[n_train:])
