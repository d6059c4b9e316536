"""One pass over a tensor: norm, moments, extremes, zeros and non-finite values, summed in float64.

The compiled loops live in `etl.ingest.kernels`, which is imported at the first call and not before: it brings numba.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Convert = Callable[[Array], Array]
Tile = tuple[slice, slice]
Also = Callable[[Array, Tile, Tile], None]
"""Is given each converted part of rows, where it lies in them, and which of their blocks it is."""

TILE = 1 << 20
"""Values that are converted, or given to a thread, at a time; a multiple of the block."""
LEAST, MOST = 2.0**-400, 2.0**500
"""Between these the squares of float64 values neither underflow nor overflow."""


class Rows(Protocol):
    """Numbers (rows, size) that come a part at a time, by two slices: an array, or a file. Parts are taken once each
    and in their order; whole rows, by one slice, may be taken besides."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, at: Any, /) -> Array: ...


class Statistics(NamedTuple):
    """Of one tensor, or of one layer of it; everything but `n` and `nonfinite` is over the finite values.

    `n` counts all values and `nonfinite` those of them that are NaN or infinite. Where no value is finite the seven
    others are NaN. `std` divides by the number of finite values. -0.0 is a zero.
    """

    n: int
    l2: float
    mean: float
    std: float
    min: float
    max: float
    abs_max: float
    zero_fraction: float
    nonfinite: int


def statistics(array: Array, *, threads: int = 1) -> Statistics:
    """The statistics of all values of `array`, of any shape: float16, bfloat16, float32, float64 or integers.

    The result is the same bit for bit however many threads compute it. float64 values of any magnitude are summed
    without overflow; only an l2 that is itself beyond float64 is infinite. Integers are taken as float64, so int64
    beyond 2^53 is rounded first. An array that is not C-contiguous is copied. Raises TypeError for other dtypes.
    """
    return _statistics(array.reshape(1, -1), threads)[0]


def statistics_rows(array: Array, *, threads: int = 1) -> list[Statistics]:
    """`statistics` of each `array[i]`, for tensors whose layers are stacked on the first axis.

    Raises TypeError as `statistics` does, and ValueError for an array without axes.
    """
    return _statistics(as_rows(array), threads)


def as_rows(array: Array) -> Array:
    if array.ndim == 0:
        raise ValueError("an array without axes has no rows")
    return array.reshape(len(array), math.prod(array.shape[1:]))


@functools.cache
def compiled_kernels() -> ModuleType:
    from etl.ingest import kernels

    return kernels


def _as_is(tile: Array) -> Array:
    return tile


def _from_bfloat16(tile: Array) -> Array:
    return (tile.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)


def _to_float32(tile: Array) -> Array:
    return tile.astype(np.float32)


def to_float64(tile: Array) -> Array:
    return tile.astype(np.float64)


@functools.cache
def converter(dtype: np.dtype[Any]) -> Convert:
    """What makes a tile native float32, where that loses nothing, or float64."""
    if dtype.name == "bfloat16":
        return _from_bfloat16
    if dtype.kind == "f" and dtype.itemsize <= 8:
        plain = dtype.isnative and dtype.itemsize >= 4
        return _as_is if plain else to_float64 if dtype.itemsize == 8 else _to_float32
    if dtype.kind in "iu":
        return to_float64
    raise TypeError(f"no statistics of dtype {dtype}; known are float16, bfloat16, float32, float64 and integers")


def tiles_of(rows: int, size: int, tile: int) -> list[Tile]:
    """Parts of (rows, size) of about `tile` values each: several whole rows, or a stretch of one."""
    if size <= tile:
        step = tile // size
        return [(slice(start, start + step), slice(None)) for start in range(0, rows, step)]
    return [(slice(r, r + 1), slice(c, c + tile)) for r in range(rows) for c in range(0, size, tile)]


def for_each(work: Callable[[Tile], None], tiles: list[Tile], threads: int) -> None:
    if threads <= 1 or len(tiles) == 1:
        for tile in tiles:
            work(tile)
        return
    with ThreadPoolExecutor(min(threads, len(tiles))) as pool:
        list(pool.map(work, tiles))


def blocks_of(columns: slice, block: int) -> slice:
    """The blocks of `columns`, which starts at a block's edge."""
    return slice(columns.start and columns.start // block, columns.stop and -(-columns.stop // block))


def readonly(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _summaries(
    rows: Rows, convert: Convert, threads: int, tile: int | None = None, also: Also | None = None
) -> tuple[Array, Array]:
    """(l2, mean, std, zeros, nonfinite) and (min, max) of each of non-empty (rows, size)."""
    kernels = compiled_kernels()
    tile = tile or TILE
    count, size = rows.shape
    sampled = slice(0, kernels.BLOCK)
    real = convert(np.empty(0, rows.dtype)).dtype
    signed, unsigned = (np.dtype(f"{kind}{real.itemsize}") for kind in "iu")
    pivots = np.empty(count)
    if threads > 1:  # else the parts come in their order, and a row's first part tells its pivot
        kernels.pivots(_sample(convert(rows[:, sampled])), pivots)
    sums = np.empty((count, -(-size // kernels.BLOCK), kernels.SUM_FIELDS))
    ends = np.empty((*sums.shape[:2], 2), real)

    def add(where: Tile) -> None:
        part = readonly(convert(rows[where]))
        if threads <= 1 and not where[1].start:
            kernels.pivots(_sample(part[:, sampled]), pivots[where[0]])
        at = (where[0], blocks_of(where[1], kernels.BLOCK))
        bits = part.view(signed), part.view(unsigned)
        kernels.partials(part, *bits, pivots[where[0]], sums[at], ends[at], ends[at].view(signed))
        if also is not None:
            also(part, where, at)

    for_each(add, tiles_of(count, size, tile), threads)
    result, extremes = np.empty((count, kernels.RESULT_FIELDS)), np.empty((count, 2), real)
    kernels.combined(size, pivots, sums, ends, result, extremes)
    return result, extremes


def _sample(values: Array) -> Array:
    return readonly(np.require(values, requirements="C"))


def _record(size: int, summary: list[float], low: float, high: float) -> Statistics:
    l2, mean, std, zeros, nonfinite = summary
    if nonfinite == size:
        unknown = math.nan
        return Statistics(size, unknown, unknown, unknown, unknown, unknown, unknown, unknown, size)
    fraction = zeros / (size - nonfinite)
    return Statistics(size, l2, mean, std, low, high, max(abs(low), abs(high)), fraction, int(nonfinite))


def _statistics(rows: Array, threads: int) -> list[Statistics]:
    return rows_statistics(np.require(rows, requirements=["C", "A"]), threads=threads)


def rows_statistics(
    rows: Rows, *, threads: int = 1, tile: int | None = None, also: Also | None = None
) -> list[Statistics]:
    """`statistics_rows` of what comes in parts, `tile` values at a time, a multiple of the block."""
    convert = converter(rows.dtype)
    count, size = rows.shape
    if count * size == 0:
        return [_record(0, [math.nan] * 3 + [0.0, 0.0], math.nan, math.nan) for _ in range(count)]
    result, extremes = _summaries(rows, convert, threads, tile, also)
    records = [
        _record(size, summary, *ends)
        for summary, ends in zip(result.tolist(), (extremes + extremes.dtype.type(0)).tolist(), strict=True)
    ]
    if extremes.dtype == np.float64:
        for i, record in enumerate(records):
            if record.abs_max > MOST or 0 < record.abs_max < LEAST:
                records[i] = _rescaled(rows[i : i + 1], convert, record, threads)
    return records


def _rescaled(row: Array, convert: Convert, record: Statistics, threads: int) -> Statistics:
    """`record` with the sums taken of values scaled to about 1 by a power of two, whose squares are in range."""
    exponent = math.frexp(record.abs_max)[1]
    scaled, _ = _summaries(row, lambda tile: np.ldexp(convert(tile), -exponent), threads)
    with np.errstate(over="ignore", under="ignore"):
        l2, mean, std = np.ldexp(scaled[0, :3], exponent).tolist()
    return record._replace(l2=l2, mean=mean, std=std)
