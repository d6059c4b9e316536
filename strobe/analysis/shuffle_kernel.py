"""A uniform shuffle of many entries that stays in the processor's cache. Importing this module imports numba, and
compiles once a machine and user.

An entry of millions that swaps places with any other waits for memory. Here each goes to one of 256 heaps at random,
in one pass, and each heap is shuffled by itself, in the cache; one behind the other they are a uniform shuffle (Rao
1961; Sandelius 1962).
"""

# numba takes plain functions, whose types it infers itself:
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from etl.ingest.kernels import compiled

_HEAPS = 256
_WORD, _HIGH, _BYTE = np.uint64(8), np.uint64(32), np.uint64(255)
_STEP, _FIRST, _SECOND = (
    np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)  # fmt: skip


def _shuffle(entries, shuffled, heap, seed):
    """Puts `entries` (n,), float32, into `shuffled` (n,), each order as likely as 32 random bits a swap make it;
    `heap` (n,), uint8, is room to work in. SplitMix64 from `seed` on."""
    state, word = seed, np.uint64(0)
    sizes = np.zeros(_HEAPS + 1, np.int64)
    for i in range(entries.size):
        if i % 8 == 0:
            state += _STEP
            word = (state ^ (state >> np.uint64(30))) * _FIRST
            word = (word ^ (word >> np.uint64(27))) * _SECOND
            word ^= word >> np.uint64(31)
        heap[i] = np.uint8(word & _BYTE)
        word >>= _WORD
        sizes[np.int64(heap[i]) + 1] += 1
    ends = np.cumsum(sizes)
    places = ends[:-1].copy()
    for i in range(entries.size):
        own = np.int64(heap[i])
        shuffled[places[own]] = entries[i]
        places[own] += 1
    for number in range(_HEAPS):
        start = ends[number]
        for last in range(ends[number + 1] - start - 1, 0, -1):
            state += _STEP
            word = (state ^ (state >> np.uint64(30))) * _FIRST
            word = (word ^ (word >> np.uint64(27))) * _SECOND
            word ^= word >> np.uint64(31)
            other = np.int64(((word >> _HIGH) * np.uint64(last + 1)) >> _HIGH)
            kept = shuffled[start + last]
            shuffled[start + last] = shuffled[start + other]
            shuffled[start + other] = kept


shuffle = compiled(_shuffle, ["void(float32[::1], float32[::1], uint8[::1], uint64)"])
