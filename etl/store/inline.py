"""The row of table `runs` inside a run's pointer, so that a list of a thousand runs opens no thousand files. The
part is the truth; a row that is not there, or not as it should be, is read from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from etl.store.schema import TABLES, part_schema

TABLE: Final = "runs"
MOST_BYTES: Final = 16_384
"""A row that takes more stays in its part alone: every look at the store reads all pointers."""


def written(table: str, rows: pa.Table) -> str:
    """The rows as JSON; "" of other tables, of many bytes, and of what JSON has no word for."""
    if table != TABLE or rows.num_rows != 1:
        return ""
    try:
        text = json.dumps(rows.to_pylist()[0], allow_nan=False, separators=(",", ":"))
    except ValueError:
        return ""
    return text if len(text.encode(errors="replace")) <= MOST_BYTES else ""


def read(text: str) -> dict[str, Any] | None:
    """The row that `written` wrote; None where this is none."""
    try:
        row = json.loads(text) if text else None
    except ValueError:
        return None
    names = part_schema(TABLE).names
    return row if isinstance(row, dict) and list(row) == names else None


def table_of(rows: Sequence[dict[str, Any]]) -> pa.Table | None:
    """Rows with their `run` as the table has them; None where a value is of another type."""
    try:
        return pa.Table.from_pylist(list(rows), TABLES[TABLE])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
