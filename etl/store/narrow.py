"""Measured values: float64 to whoever reads them, float32 in a file wherever that keeps them.

A column that a schema declares as REAL holds measurements, computed in float64 and good to seven digits. A part keeps
it as REAL, at half the size, unless float32 would lose one of its values altogether: a norm beyond 3.4e38 would
become infinite, one below 1e-45 zero. That part then has the column as DOUBLE, and a reader sees DOUBLE either way.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ROUNDING = 2.0**-24
"""What rounding to float32 may be off by, of the value, inside its normal range."""


def is_real(kind: pa.DataType) -> bool:
    """Whether a column is float32, or lists of it."""
    return bool((kind.value_type if pa.types.is_list(kind) else kind) == pa.float32())


def real_columns(schema: pa.Schema) -> frozenset[str]:
    """The names of the columns that `schema` has as REAL."""
    return frozenset(column.name for column in schema if is_real(column.type))


def widened(schema: pa.Schema) -> pa.Schema:
    """The columns as they are read: DOUBLE where `schema` has REAL."""
    return pa.schema([pa.field(column.name, _wide(column.type)) for column in schema])


def narrowed(rows: pa.Table, columns: Collection[str]) -> pa.Table:
    """The rows as a part keeps them: those of `columns` as REAL that float32 holds."""
    for name in columns:
        column = rows[name]
        if not is_real(column.type) and fits_float32(column):
            kind = pa.list_(pa.float32()) if pa.types.is_list(column.type) else pa.float32()
            rows = rows.set_column(rows.schema.get_field_index(name), name, column.cast(kind))
    return rows


def fits_float32(column: pa.ChunkedArray) -> bool:
    """Whether no finite value of a float64 column, or of lists, loses more than float32's own rounding.

    NULL, NaN and infinities survive. A value below float32's normal range does where it is one of its subnormals.
    """
    flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    x = flat.to_numpy()
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        lost = np.abs(x.astype(np.float32) - x) > _ROUNDING * np.abs(x)
    return not bool((lost & np.isfinite(x)).any())


def _wide(kind: pa.DataType) -> pa.DataType:
    if not is_real(kind):
        return kind
    return pa.list_(pa.float64()) if pa.types.is_list(kind) else pa.float64()
