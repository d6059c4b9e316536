"""SQL of the views over Parquet parts: every row of a table, and its current rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa

from etl.store.current import current_rows, has_attempts

_TYPES = {"string": "VARCHAR", "int64": "BIGINT", "int32": "INTEGER", "int16": "SMALLINT", "float": "REAL"}
_TYPES |= {"double": "DOUBLE", "bool": "BOOLEAN"}

_GLOB = re.compile(r"([\[*?])")
"""What would make a path a pattern, which other folders may fit as well."""
_HIVE = "hive_partitioning = true, hive_types = {'run': VARCHAR}"
_RUN_OF_FILE = "regexp_extract(filename, '/run=([^/]+)/[^/]+$', 1) AS run"


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file that a pointer names, by a path on this machine."""

    run: str
    path: str
    rows: int
    bytes: int
    crc32: int
    wide: tuple[str, ...] = ()
    """The columns that it has as DOUBLE, where other parts have REAL."""
    lacks: tuple[str, ...] = ()
    """The columns that the table has and this part, which is older, does not: NULL there."""

    @property
    def layout(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What parts must share to be read together: DuckDB takes the columns of the first file for all."""
        return self.wide, self.lacks


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _duckdb_type(kind: pa.DataType) -> str:
    return f"{_duckdb_type(kind.value_type)}[]" if pa.types.is_list(kind) else _TYPES[str(kind)]


def every_row(schema: pa.Schema, parts: Sequence[Part]) -> str:
    """SQL of all rows of `parts`, with the columns of `schema`; of no rows when there are none."""
    if not parts:
        columns = ", ".join(f'NULL::{_duckdb_type(column.type)} AS "{column.name}"' for column in schema)
        return f"SELECT {columns} WHERE false"
    alike = groupby(sorted(parts, key=lambda part: part.layout), key=lambda part: part.layout)
    return " UNION ALL ".join(_rows_of(schema, list(group)) for _, group in alike)


def _rows_of(schema: pa.Schema, parts: Sequence[Part]) -> str:
    """DuckDB finds the partitions of a path wherever they stand in it, so it is asked for them only where the folders
    above a store name none; else the run is read from the last folder, which is a little slower."""
    paths = ", ".join(_quoted(_GLOB.sub(r"[\1]", part.path)) for part in parts)
    named_above = any("=" in part.path.rpartition("/run=")[0] for part in parts)
    columns = ", ".join(_read(column, column.name in parts[0].lacks, named_above) for column in schema)
    options = "filename = true, hive_partitioning = false" if named_above else _HIVE
    return f"SELECT {columns} FROM read_parquet([{paths}], {options})"


def _read(column: pa.Field, absent: bool, named_above: bool) -> str:
    kind = _duckdb_type(column.type)
    if column.name == "run" and named_above:
        return _RUN_OF_FILE
    if absent:
        return f'NULL::{kind} AS "{column.name}"'
    return f'"{column.name}"::{kind} AS "{column.name}"' if kind.startswith("DOUBLE") else f'"{column.name}"'


def cut_attempts(rows: str) -> str:
    """SQL of the relation `CUTS`, of a relation `rows` of all attempts."""
    return f"SELECT run, attempt, cut_step FROM {rows} WHERE cut_step IS NOT NULL"


def current_view(rows: str, schema: pa.Schema, parts: Sequence[Part], cut: Collection[str]) -> str:
    """SQL of the current rows of `parts`, where the relation `rows` has all of them. Only runs of `cut` join
    `cuts`."""
    names = schema.names
    resumed = [part for part in parts if part.run in cut] if has_attempts(names) else []
    if not resumed:
        return current_rows(rows, names, cut=False)
    joined = current_rows(f"({every_row(schema, resumed)})", names)
    others = [part for part in parts if part.run not in cut]
    if not others:
        return joined
    return f"{current_rows(f'({every_row(schema, others)})', names, cut=False)} UNION ALL {joined}"
