"""Rows of a table as other programs take them: JSON documents and CSV, with nothing in them that could act."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 1 << 53
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def plain(value: object) -> Any:
    """A value as JSON has it: NaN and infinities, integers beyond 2^53, decimals, dates and bytes (hex) as text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float, decimal.Decimal)):
        return _number(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)


def _number(value: float | decimal.Decimal) -> float | str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, float):
        return value
    # Sums of integers come as decimals without a fraction; they are integers to whoever asked.
    return int(value) if value == int(value) and abs(value) <= _EXACT else str(value)


def json_rows(table: pa.Table) -> str:
    """One JSON array with an object for each row."""
    return json.dumps([plain(row) for row in table.to_pylist()], ensure_ascii=False)


def write_csv(table: pa.Table, to: IO[str]) -> None:
    """RFC 4180 CSV with a heading. Text that a spreadsheet would take for a formula gets an apostrophe before it."""
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(_inert(name) for name in table.column_names)
    for row in _tuples(table):
        writer.writerow(_cell(value) for value in row)


def csv_bytes(table: pa.Table) -> bytes:
    """The CSV of `write_csv` as UTF-8."""
    text = io.StringIO()
    write_csv(table, text)
    return text.getvalue().encode()


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as one Parquet file (zstd)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def printable(text: str) -> str:
    """`text` with control characters, which could drive a terminal, written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def text_of(value: object) -> str:
    """A value as one line of text; "" for NULL."""
    value = plain(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _tuples(table: pa.Table) -> Iterator[tuple[object, ...]]:
    for batch in table.to_batches(max_chunksize=4_096):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _cell(value: object) -> str:
    text = text_of(value)
    return _inert(text) if isinstance(value, (str, dict, list)) else text


def _inert(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA_STARTS) else text
