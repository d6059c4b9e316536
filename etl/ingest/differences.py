"""How far tensors moved: norms of differences, alone or in one pass with the statistics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.ingest.statistics import (
    LEAST,
    TILE,
    Array,
    Convert,
    Rows,
    Statistics,
    Tile,
    as_rows,
    blocks_of,
    compiled_kernels,
    converter,
    for_each,
    readonly,
    rows_statistics,
    tiles_of,
    to_float64,
)


def statistics_and_deltas(
    rows: Rows, before: Rows, *, tile: int | None = None
) -> tuple[list[Statistics], npt.NDArray[np.float64]]:
    """`statistics_rows` of `rows`, and `delta_l2_rows` of both, in one pass over both: `tile` values at a time, a
    multiple of the block. Raises ValueError where shapes or dtypes differ, TypeError as `statistics` does."""
    if (rows.shape, rows.dtype) != (before.shape, before.dtype):
        raise ValueError(f"{rows.dtype} {rows.shape} and {before.dtype} {before.shape} differ")
    kernels, convert = compiled_kernels(), converter(rows.dtype)
    sums = np.zeros((rows.shape[0], -(-rows.shape[1] // kernels.BLOCK)))

    def also(part: Array, where: Tile, at: Tile) -> None:
        kernels.difference_partials(part, readonly(convert(before[where])), sums[at])

    records = rows_statistics(rows, tile=tile, also=also)
    return records, _norms(rows, before, (convert, convert), sums)


def delta_l2(a: Array, b: Array, *, threads: int = 1) -> float:
    """||a - b||_2 of two arrays of one shape, in float64; NaN where either holds a NaN or an infinity.

    Raises ValueError when the shapes differ and TypeError as `statistics` does.
    """
    _require_same_shape(a, b)
    return float(_deltas(a.reshape(1, -1), b.reshape(1, -1), threads)[0])


def delta_l2_rows(a: Array, b: Array, *, threads: int = 1) -> npt.NDArray[np.float64]:
    """`delta_l2` of each `a[i]` and `b[i]`: shape (len(a),)."""
    _require_same_shape(a, b)
    return _deltas(as_rows(a), as_rows(b), threads)


def _require_same_shape(a: Array, b: Array) -> None:
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ")


def _common(a: np.dtype[Any], b: np.dtype[Any]) -> tuple[Convert, Convert]:
    first, second = converter(a), converter(b)
    if a == b:
        return first, second
    return (lambda tile: to_float64(first(tile))), (lambda tile: to_float64(second(tile)))


def _deltas(a: Array, b: Array, threads: int) -> npt.NDArray[np.float64]:
    kernels = compiled_kernels()
    convert_a, convert_b = _common(a.dtype, b.dtype)
    count, size = a.shape
    if a.size == 0:
        return np.zeros(count)
    a, b = (np.require(rows, requirements=["C", "A"]) for rows in (a, b))
    sums = np.empty((count, -(-size // kernels.BLOCK)))

    def add(tile: Tile) -> None:
        at = (tile[0], blocks_of(tile[1], kernels.BLOCK))
        kernels.difference_partials(readonly(convert_a(a[tile])), readonly(convert_b(b[tile])), sums[at])

    for_each(add, tiles_of(count, size, TILE), threads)
    return _norms(a, b, (convert_a, convert_b), sums)


def _norms(a: Rows, b: Rows, converts: tuple[Convert, Convert], sums: Array) -> npt.NDArray[np.float64]:
    """The norms of the rows' differences, of whose squares `sums` (rows, blocks) are the sums."""
    totals = sums.sum(axis=1)
    norms: npt.NDArray[np.float64] = np.sqrt(totals)
    norms[~np.isfinite(norms)] = math.nan
    if converts[0](np.empty(0, a.dtype)).dtype == np.float64:
        for i in np.flatnonzero(~((totals > LEAST) & np.isfinite(totals))):
            norms[i] = _careful_delta(a[i : i + 1][0], b[i : i + 1][0], converts, totals[i])
    return norms


def _careful_delta(a: Array, b: Array, converts: tuple[Convert, Convert], total: float) -> float:
    """||a - b||_2 where the plain sum of squares, `total`, left the range of float64 or met a NaN or an infinity."""
    convert_a, convert_b = converts
    down = 0 if math.isfinite(total) else 2

    def distance(start: int) -> Array:
        part = slice(start, start + TILE)
        with np.errstate(invalid="ignore"):
            apart: Array = np.ldexp(convert_a(a[part]), -down) - np.ldexp(convert_b(b[part]), -down)
        return np.absolute(apart, out=apart)

    starts = range(0, a.size, TILE)
    peak = float(np.max([np.max(distance(start)) for start in starts]))
    if not math.isfinite(peak):
        return math.nan
    exponent = math.frexp(peak)[1]
    squares = math.fsum(float(np.sum(np.square(np.ldexp(distance(start), -exponent)))) for start in starts)
    with np.errstate(over="ignore"):
        return float(np.ldexp(math.sqrt(squares), exponent + down))
