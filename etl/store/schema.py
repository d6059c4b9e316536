"""The tables of a store: columns and types of each, in the order that people see. docs/store.md has them in words.

A table is here, and so shown, from the day that something writes it: its schema, and its line in docs/store.md.
Those that an ingest fills are here; whoever fills others declares them, by `register`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

import pyarrow as pa

from etl.store.narrow import real_columns, widened

_TEXT, _DOUBLE, _REAL = pa.string(), pa.float64(), pa.float32()
_BIG, _INT, _SMALL = pa.int64(), pa.int32(), pa.int16()


def _schema(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([("run", _TEXT), *columns])


def _texts(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, _TEXT) for name in names]


def _bigs(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, _BIG) for name in names]


def _doubles(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, _DOUBLE) for name in names]


def _reals(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, _REAL) for name in names]


RUNS = _schema(
    *_texts("name", "source", "task", "status"),
    *_doubles("created_at", "ended_at"),
    *_bigs("steps", "attempts", "n_params", "n_layer", "n_head", "n_embd", "vocab_size"),
    *_bigs("tokens_per_step", "optimal_tokens"),
    ("device", _TEXT),
    ("peak_flops", _DOUBLE),
    *_texts("config", "reduced", "snapshots_path"),
)
ATTEMPTS = _schema(
    ("attempt", _INT), ("first_step", _BIG), ("cut_step", _BIG), ("started_at", _DOUBLE), *_texts("changes", "lost")
)
METRICS = _schema(
    *_texts("name", "source_name", "unit"),
    *_bigs("n", "first_step", "last_step"),
    ("last_value", _DOUBLE),
    ("min", _DOUBLE),
    ("min_step", _BIG),
    ("max", _DOUBLE),
    ("max_step", _BIG),
    *_bigs("nonfinite", "first_nonfinite_step"),
)
SCALARS = _schema(
    ("attempt", _INT),
    ("name", _TEXT),
    ("step", _BIG),
    *_doubles("value", "time"),
    ("tokens", _BIG),
    ("epoch", _DOUBLE),
)
TENSORS = _schema(
    ("attempt", _INT),
    *_texts("section", "tensor"),
    ("layer", _SMALL),
    *_bigs("step", "n"),
    *_reals("l2", "mean", "std", "min", "max", "abs_max", "zero_fraction"),
    ("nonfinite", _BIG),
    *_reals("delta_l2", "update_ratio"),
)
SNAPSHOTS = _schema(
    ("attempt", _INT), ("step", _BIG), ("file", _TEXT), ("bytes", _BIG), ("crc32", _BIG), ("time", _DOUBLE),
    *_texts("payload", "note"), ("modified", _BIG),
)  # fmt: skip
IMPORTS = _schema(
    ("path", _TEXT), ("read_at", _DOUBLE), ("format", _TEXT), *_bigs("rows", "skipped"), ("reasons", _TEXT)
)

_DECLARED = {
    "runs": RUNS,
    "attempts": ATTEMPTS,
    "metrics": METRICS,
    "scalars": SCALARS,
    "tensors": TENSORS,
    "snapshots": SNAPSHOTS,
    "imports": IMPORTS,
}
TABLES: dict[str, pa.Schema] = {table: widened(schema) for table, schema in _DECLARED.items()}
"""What an ingest fills, and after that what was registered: the columns as they are read."""
NARROW: dict[str, frozenset[str]] = {table: real_columns(schema) for table, schema in _DECLARED.items()}
"""The columns that are declared REAL, which a part keeps so where it can (`etl.store.narrow`)."""

_INGESTED = frozenset(TABLES)
_GROWN = frozenset({"attempts", "snapshots"})
"""Of those, the tables that got a column after there were stores."""
_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,62}")

SORT: dict[str, tuple[str, ...]] = {
    "scalars": ("name", "attempt", "step"),
    "tensors": ("section", "tensor", "layer", "attempt", "step"),
    "snapshots": ("attempt", "step"),
}
"""The order of rows inside a part: what one curve needs lies together."""

UNITS = {
    "step_time_ms": "ms",
    "recorder_ms": "ms",
    "tokens_per_second": "tokens/s",
    "tokens_seen": "tokens",
    "mfu": "fraction",
    "memory_allocated_bytes": "bytes",
    "memory_peak_bytes": "bytes",
    "memory_reserved_bytes": "bytes",
    "memory_reserved_peak_bytes": "bytes",
}
"""Units of the metrics whose names are part of the format, or that an importer gives; others have none that is known.
That of the accuracies is told by their values (`etl.store.accuracy`), that of the losses by what was trained
(`etl.ingest.loss_unit`)."""
LOSSES = ("train_loss", "val_loss")


def register(table: str, schema: pa.Schema) -> None:
    """Make a table known that something else than an ingest fills: `schema` is of the whole table, `run` first.

    A store shows a table that it holds even where it is not known; one that is known is shown empty as well. Raises
    ValueError for a table that an ingest fills, and for names that SQL would have to quote.
    """
    if table in _INGESTED or not are_plain([table, *schema.names]) or schema.names[:1] != ["run"]:
        raise ValueError(f"no table can be registered as {table!r} with the columns {schema.names}")
    TABLES[table], NARROW[table] = widened(schema), real_columns(schema)


def are_plain(names: Iterable[str]) -> bool:
    """Whether all names can stand in SQL as they are, and none is taken by a view of the store."""
    return all(_PLAIN.fullmatch(name) and name != "cuts" and not name.endswith("_all") for name in names)


def columns_key(names: Iterable[str]) -> str:
    """What tells one set of columns from another, in eight characters."""
    return f"{zlib.crc32(' '.join(sorted(names)).encode()):08x}"


def is_ingested(table: str) -> bool:
    """Whether a table is one that an ingest fills."""
    return table in _INGESTED


def may_lack_columns(table: str) -> bool:
    """Whether a table's older parts may lack columns that it has by now."""
    return table not in _INGESTED or table in _GROWN


def part_schema(table: str) -> pa.Schema:
    """The columns that a part of a known table has, as they are read: all but `run`, which its folder's name
    tells."""
    return pa.schema([column for column in TABLES[table] if column.name != "run"])
