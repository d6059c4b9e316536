"""The compiled loops of `etl.ingest.statistics`. Importing this module imports numba, and compiles once a machine and
user.

Every loop works on fixed blocks of BLOCK values and leaves one line of partial results a block; `combined` adds them
up in block order. So it does not matter who computed which block: one thread and many agree bit for bit.

A block is summed first and taken to be finite; where its sum of squares is none, a slower loop looks at every value.
Once it is known to be finite, minimum and maximum need none of the rules for NaN and are found on the bits, which
vectorise: read as signed integers, the largest is the maximum where any value is positive; read as unsigned ones, the
largest is the minimum where any is negative, and the smallest is the other end where all have one sign.

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
def _sum_all(values, pivot):
    """The sums of x - pivot and of its squares; the second is finite only where every value is."""
    first = second = 0.0
    for i in range(values.size):
        d = np.float64(values[i]) - pivot
        first += d
        second += d * d
    return first, second


@_vectorised
def _ends_all(signed, unsigned):
    """The bits of minimum and maximum, and the zeros, of values that are known to be finite, by their bits."""
    word = signed.dtype.type
    magnitude = word(~word(word(1) << word(8 * signed.itemsize - 1)))
    top, near, far = signed[0], unsigned[0], unsigned[0]
    zeros = word(0)
    for i in range(signed.size):
        top, near, far = max(top, signed[i]), min(near, unsigned[i]), max(far, unsigned[i])
        zeros = word(zeros + (word(1) if word(signed[i] & magnitude) == word(0) else word(0)))
    low = word(far) if word(far) < word(0) else word(near)
    return low, top if top >= word(0) else word(near), np.int64(zeros)


@_vectorised
def _sum_finite(values, pivot):
    """How many values are finite, and the sums of those alone."""
    count, first, second = 0, 0.0, 0.0
    for i in range(values.size):
        if np.isfinite(values[i]):
            d = np.float64(values[i]) - pivot
            first += d
            second += d * d
            count += 1
    return count, first, second


@_plain
def _sums(values, pivot):
    first, second = _sum_all(values, pivot)
    if np.isfinite(second):
        return values.size, first, second
    return _sum_finite(values, pivot)


@_plain
def _ends_finite(values):
    """Minimum, maximum and zeros of the finite values, for the rare block that holds others."""
    real = values.dtype.type
    low, high, zeros = real(np.inf), real(-np.inf), 0
    for i in range(values.size):
        if np.isfinite(values[i]):
            low, high = min(low, values[i]), max(high, values[i])
            zeros += values[i] == 0
    return low, high, zeros


def _partials(values, signed, unsigned, pivots, sums, ends, end_bits):
    """Fill sums (rows, blocks, SUM_FIELDS) and ends (rows, blocks, 2), minimum and maximum, of values (rows, n).

    `signed`, `unsigned` and `end_bits` are the same memory as `values` and `ends`, as integers.
    """
    for row in range(values.shape[0]):
        for block in range(sums.shape[1]):
            at = slice(block * BLOCK, (block + 1) * BLOCK)
            v, pivot, moved = values[row, at], pivots[row], 0.0
            count, first, second = _sums(v, pivot)
            if count and (second - first * first / count) * _CANCELLED < second:
                moved = pivot + first / count - pivot
                count, first, second = _sums(v, pivot + first / count)
            if count == v.size:
                low, high, zeros = _ends_all(signed[row, at], unsigned[row, at])
                end_bits[row, block, 0], end_bits[row, block, 1] = low, high
            else:
                ends[row, block, 0], ends[row, block, 1], zeros = _ends_finite(v)
            sums[row, block, 0] = v.size - count
            sums[row, block, 1] = zeros
            sums[row, block, 2] = moved + first / count if count else 0.0
            sums[row, block, 3] = max(second - first * first / count, 0.0) if count else 0.0


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


def _combined(size, pivots, sums, ends, out, extremes):
    """Fill out (rows, RESULT_FIELDS) and extremes (rows, 2), minimum and maximum, for rows of `size` values.

    Where no value is finite, l2, mean and std are NaN and extremes mean nothing.
    """
    for row in range(sums.shape[0]):
        low, high = ends[row, 0, 0], ends[row, 0, 1]
        nonfinite = zeros = total = squares = 0.0
        for block in range(sums.shape[1]):
            count = min(BLOCK, size - block * BLOCK) - sums[row, block, 0]
            nonfinite += sums[row, block, 0]
            zeros += sums[row, block, 1]
            total += count * sums[row, block, 2]
            low, high = min(low, ends[row, block, 0]), max(high, ends[row, block, 1])
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
        extremes[row, 0], extremes[row, 1] = low, high


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


def _signatures(*arguments: Callable[[Any, Any, Any], Any]) -> list[Any]:
    """One signature a float type; each argument is made from that type and the two integers of its size."""
    kinds = ((types.float32, types.int32, types.uint32), (types.float64, types.int64, types.uint64))
    return [types.void(*(argument(*kind) for argument in arguments)) for kind in kinds]


def _values(real: Any, *_: Any) -> Any:
    return _array(real, 2, readonly=True)


def _doubles(axes: int) -> Callable[..., Any]:
    return lambda *_: _array(types.float64, axes)


def _reals(axes: int) -> Callable[..., Any]:
    return lambda real, *_: _array(real, axes)


pivots = compiled(_pivots, _signatures(_values, _doubles(1)))
partials = compiled(
    _partials,
    _signatures(
        _values,
        lambda _, signed, __: _array(signed, 2, readonly=True),
        lambda _, __, unsigned: _array(unsigned, 2, readonly=True),
        _doubles(1), _doubles(3), _reals(3),
        lambda _, signed, __: _array(signed, 3),
    ),
)  # fmt: skip
combined = compiled(
    _combined, _signatures(lambda *_: types.int64, _doubles(1), _doubles(3), _reals(3), _doubles(2), _reals(2))
)
difference_partials = compiled(_difference_partials, _signatures(_values, _values, _doubles(2)))
