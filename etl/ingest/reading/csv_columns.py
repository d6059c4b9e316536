"""Plain rows of a table in text, a block of them at once; what is not plain is left to `csv_log`, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from etl.ingest.reading.values import EARLIEST, LATEST, UNITS
from etl.run.journal import MAX_STEP

Floats = npt.NDArray[np.float64]
_BETWEEN, _ENDS = b"\x01", b"\x02"
_ODD = (b'"', b"\0", _BETWEEN, _ENDS, b"_", b"0x", b"0X", b"+")
"""What Arrow and `values.number` may read otherwise."""


def plain_columns(data: bytes, names: Sequence[str], delimiter: str, step: str) -> Mapping[str, pa.Array] | None:
    """The columns of whole lines, the step as int64 and all others as float64, null where a field is empty.

    None where a field is no number, or a step none, or a line has not as many fields as there are names.
    """
    if b'"' in data:
        data = _unquoted(data, delimiter)
    if len(set(names)) < len(names) or (delimiter == ";" and b"," in data) or any(odd in data for odd in _ODD):
        return None
    kinds = {name: pa.int64() if name == step else pa.float64() for name in names}
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=list(names)),
            csv.ParseOptions(delimiter=delimiter, quote_char=False, double_quote=False),
            csv.ConvertOptions(column_types=kinds, null_values=[""], check_utf8=False),
        )
    except pa.ArrowException:
        return None
    columns = {name: table[name].combine_chunks() for name in names}
    steps = columns[step]
    if len(table) != data.count(b"\n") or steps.null_count:
        return None
    if pc.min(steps).as_py() < 0 or pc.max(steps).as_py() > MAX_STEP:
        return None
    # Beyond float64 is no number, and an infinity that is meant is rare.
    unbounded = any(pc.any(pc.is_inf(column)).as_py() for name, column in columns.items() if name != step)
    return None if unbounded else columns


def _unquoted(data: bytes, delimiter: str) -> bytes:
    """Lines whose fields stand all in quotes, without those; as they are where some do not."""
    mark = delimiter.encode()
    if any(odd in data for odd in _ODD[1:]):
        return data
    bare = data.replace(b'"' + mark + b'"', _BETWEEN).replace(b'"\r\n"', _ENDS).replace(b'"\n"', _ENDS)
    inside = bare.removesuffix(b"\n").removesuffix(b"\r")
    # Each mark then stands between two quotes that no other one has.
    whole = len(inside) > 1 and inside[:1] == inside[-1:] == b'"' and bare.count(b'"') == 2
    if not whole or mark in bare or bare.count(_ENDS) != data.count(b"\n") - 1:
        return data
    return inside[1:-1].replace(_BETWEEN, mark).replace(_ENDS, b"\n") + b"\n"


def known(column: pa.Array) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The numbers (n,) of a column, NaN where there is none, and where there is one."""
    there: npt.NDArray[np.bool_] = pc.is_valid(column).to_numpy(zero_copy_only=False)
    values: Floats = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    return values, there


def moments(found: Floats) -> Floats:
    """Unix seconds (n,) of numbers, as `values.moment` has them; NaN where there are none."""
    seconds = np.full(len(found), np.nan)
    for unit in reversed(UNITS):
        np.copyto(seconds, found / unit, where=found / unit <= LATEST)
    # Each unit that fits has overwritten the finer one.
    return np.where(seconds > EARLIEST, seconds, np.nan)
