"""The compiled loops of `etl.ingest.statistics`. Importing this module imports numba, and compiles once a machine and
user.

Every loop works on fixed blocks of BLOCK values and leaves one line of partial results a block; `combined` adds them
up in block order. So it does not matter who computed which block: one thread and many agree bit for bit.

Minimum and maximum run on order keys: with the bits of a float read as an integer k, `k ^ ((k >> 31) & 0x7fffffff)`
(63 and 0x7fff... for float64) sorts like the floats. Integer comparisons vectorise, floating ones with their NaN
rules do not; and infinities and NaN are exactly the keys outside those of the finite values, so the extremes of a
block tell at no cost whether it holds any.

The variance is pivoted: sums are of x - pivot with a pivot from the middle of the data, and a block whose own mean is
far from it is summed again round that mean, so that nothing cancels. Blocks combine as in Chan, Golub and LeVeque,
"Algorithms for computing the sample variance" (1983).
"""

# numba takes plain functions, whose types it infers itself:
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types

BLOCK = 16_384
SAMPLES = 15
_CANCELLED = 16.0

SUM_FIELDS = 4
"""nonfinite, zeros, mean - pivot, sum of squares about the block's mean."""
RESULT_FIELDS = 5
"""l2, mean, std, zeros, nonfinite."""


_njit: Any = numba.njit
_OPTIONS = {"nogil": True, "error_model": "numpy"}


def compiled(function: Callable[..., Any], signatures: list[Any]) -> Any:
    """`function` compiled, from numba's cache where one can be kept (not where install and home are read-only)."""
    try:
        return _njit(signatures, cache=True, **_OPTIONS)(function)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError):
        return _njit(signatures, **_OPTIONS)(function)


# Sums may be reordered into vector lanes and fused into multiply-adds; nothing assumes away NaN or infinities.
_vectorised = _njit(fastmath={"reassoc", "contract"}, **_OPTIONS)
_plain = _njit(**_OPTIONS)


@_vectorised
def _sum_all(values, bits, pivot):
    """Sums, extreme keys and zeros of one block that is taken to be finite."""
    word = bits.dtype.type
    shift = word(8 * bits.itemsize - 1)
    mask = word(~word(word(1) << shift))
    zeros = word(0)
    low, high = mask, word(~mask)
    first = second = 0.0
    for i in range(values.size):
        d = np.float64(values[i]) - pivot
        first += d
        second += d * d
        k = bits[i]
        key = word(k ^ word(word(k >> shift) & mask))
        low, high = min(low, key), max(high, key)
        zeros = word(zeros + (word(1) if word(k & mask) == word(0) else word(0)))
    return np.int64(values.size), first, second, low, high, np.int64(zeros)


@_vectorised
def _sum_finite(values, bits, pivot, infinity):
    """`_sum_all` of the finite values alone, for the rare block that holds others."""
    word = bits.dtype.type
    shift = word(8 * bits.itemsize - 1)
    mask = word(~word(word(1) << shift))
    count = zeros = word(0)
    low, high = mask, word(~mask)
    first = second = 0.0
    for i in range(values.size):
        k = bits[i]
        key = word(k ^ word(word(k >> shift) & mask))
        finite = key > word(~infinity) and key < infinity
        d = np.float64(values[i]) - pivot if finite else 0.0
        first += d
        second += d * d
        low, high = min(low, key if finite else mask), max(high, key if finite else word(~mask))
        count = word(count + (word(1) if finite else word(0)))
        zeros = word(zeros + (word(1) if word(k & mask) == word(0) else word(0)))
    return np.int64(count), first, second, low, high, np.int64(zeros)


@_plain
def _sum_block(values, bits, pivot, infinity):
    count, first, second, low, high, zeros = _sum_all(values, bits, pivot)
    if low <= ~infinity or high >= infinity:
        count, first, second, low, high, zeros = _sum_finite(values, bits, pivot, infinity)
    return count, first, second, low, high, zeros


def _partials(values, bits, infinity, pivots, sums, keys):
    """Fill sums (rows, blocks, SUM_FIELDS) and keys (rows, blocks, 2) of values (rows, n) and their bits.

    `infinity` (1,) holds the order key of +infinity; that of -infinity is its complement.
    """
    for row in range(values.shape[0]):
        for block in range(sums.shape[1]):
            start = block * BLOCK
            v, b = values[row, start : start + BLOCK], bits[row, start : start + BLOCK]
            moved = 0.0
            count, first, second, low, high, zeros = _sum_block(v, b, pivots[row], infinity[0])
            if count and (second - first * first / count) * _CANCELLED < second:
                pivot = pivots[row] + first / count
                moved = pivot - pivots[row]
                count, first, second, low, high, zeros = _sum_block(v, b, pivot, infinity[0])
            sums[row, block, 0] = v.size - count
            sums[row, block, 1] = zeros
            sums[row, block, 2] = moved + first / count if count else 0.0
            sums[row, block, 3] = max(second - first * first / count, 0.0) if count else 0.0
            keys[row, block, 0], keys[row, block, 1] = low, high


def _pivots(values, out):
    """Fill out (rows,) with the middle one of SAMPLES evenly spaced finite values, 0 where none is finite."""
    sample = np.empty(SAMPLES)
    for row in range(values.shape[0]):
        n, count = values.shape[1], 0
        for i in range(min(SAMPLES, n)):
            value = np.float64(values[row, i * n // min(SAMPLES, n)])
            if np.isfinite(value):
                place = count
                while place > 0 and sample[place - 1] > value:
                    sample[place] = sample[place - 1]
                    place -= 1
                sample[place] = value
                count += 1
        for i in range(n if count == 0 else 0):
            if np.isfinite(values[row, i]):
                sample[0], count = values[row, i], 1
                break
        out[row] = sample[count // 2] if count else 0.0


def _combined(size, pivots, sums, keys, out, extremes):
    """Fill out (rows, RESULT_FIELDS) and extremes (rows, 2), the bits of min and max, for rows of `size` values.

    Where no value is finite, l2, mean and std are NaN and extremes mean nothing.
    """
    word = keys.dtype.type
    shift = word(8 * keys.itemsize - 1)
    mask = word(~word(word(1) << shift))
    for row in range(sums.shape[0]):
        low, high = mask, word(~mask)
        nonfinite = zeros = total = squares = 0.0
        for block in range(sums.shape[1]):
            count = min(BLOCK, size - block * BLOCK) - sums[row, block, 0]
            nonfinite += sums[row, block, 0]
            zeros += sums[row, block, 1]
            total += count * sums[row, block, 2]
            low, high = min(low, keys[row, block, 0]), max(high, keys[row, block, 1])
        finite = size - nonfinite
        offset = total / finite
        for block in range(sums.shape[1]):
            count = min(BLOCK, size - block * BLOCK) - sums[row, block, 0]
            squares += sums[row, block, 3] + count * (sums[row, block, 2] - offset) ** 2
        mean = pivots[row] + offset
        out[row, 0] = np.sqrt(squares + finite * mean * mean)
        out[row, 1] = mean
        out[row, 2] = np.sqrt(squares / finite)
        out[row, 3], out[row, 4] = zeros, nonfinite
        extremes[row, 0] = word(low ^ word(word(low >> shift) & mask))
        extremes[row, 1] = word(high ^ word(word(high >> shift) & mask))


@_vectorised
def _squared_difference(a, b):
    total = 0.0
    for i in range(a.size):
        d = np.float64(a[i]) - np.float64(b[i])
        total += d * d
    return total


def _difference_partials(a, b, sums):
    """Fill sums (rows, blocks) with the sums of (a - b)^2 of a and b (rows, n)."""
    for row in range(a.shape[0]):
        for block in range(sums.shape[1]):
            stop = (block + 1) * BLOCK
            sums[row, block] = _squared_difference(a[row, stop - BLOCK : stop], b[row, stop - BLOCK : stop])


def _array(scalar: Any, axes: int, *, readonly: bool = False) -> Any:
    return types.Array(scalar, axes, "C", readonly=readonly)


def _signatures(*arguments: Callable[[Any, Any], Any]) -> list[Any]:
    """One signature a float type; each argument is made from that type and the integer of its size."""
    pairs = ((types.float32, types.int32), (types.float64, types.int64))
    return [types.void(*(argument(real, word) for argument in arguments)) for real, word in pairs]


def _values(real: Any, _: Any) -> Any:
    return _array(real, 2, readonly=True)


def _doubles(axes: int) -> Callable[[Any, Any], Any]:
    return lambda *_: _array(types.float64, axes)


def _words(axes: int, *, readonly: bool = False) -> Callable[[Any, Any], Any]:
    return lambda _, word: _array(word, axes, readonly=readonly)


pivots = compiled(_pivots, _signatures(_values, _doubles(1)))
partials = compiled(
    _partials, _signatures(_values, _words(2, readonly=True), _words(1), _doubles(1), _doubles(3), _words(3))
)
combined = compiled(
    _combined, _signatures(lambda *_: types.int64, _doubles(1), _doubles(3), _words(3), _doubles(2), _words(2))
)
difference_partials = compiled(_difference_partials, _signatures(_values, _values, _doubles(2)))
