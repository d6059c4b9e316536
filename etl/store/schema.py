"""The tables of a store: columns and types of each, in the order that people see. docs/store.md has them in words.

A table is here, and so shown, from the day that something writes it: its schema, and its line in docs/store.md.
"""

from __future__ import annotations

import pyarrow as pa

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
    ("attempt", _INT), ("first_step", _BIG), ("cut_step", _BIG), ("started_at", _DOUBLE), ("changes", _TEXT)
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
    ("attempt", _INT), ("step", _BIG), ("file", _TEXT), ("bytes", _BIG), ("crc32", _BIG), ("time", _DOUBLE)
)

_DEFINED = (("definition", _INT), ("note", _TEXT))
_FREQUENCY = ("frequency", _INT)

DERIVED: dict[str, pa.Schema] = {
    "spectra": _schema(
        ("step", _BIG),
        ("tensor", _TEXT),
        ("layer", _SMALL),
        ("part", _TEXT),
        ("head", _SMALL),
        ("singular_values", pa.list_(_REAL)),
        *_doubles("stable_rank", "effective_rank", "participation_ratio"),
        *_doubles("alpha", "alpha_ks", "alpha_xmin"),
        ("alpha_n", _BIG),
        *_DEFINED,
    ),
    "fourier": _schema(
        ("step", _BIG), ("site", _TEXT), ("layer", _SMALL), ("head", _SMALL), _FREQUENCY, ("kind", _TEXT),
        ("value", _DOUBLE), *_DEFINED,
    ),
    "heads": _schema(
        ("step", _BIG), ("layer", _SMALL), ("head", _SMALL),
        *_doubles("entropy", "previous_token", "first_token", "diagonal", "induction", "max_weight"), *_DEFINED,
    ),
    "neurons": _schema(
        ("step", _BIG), ("layer", _SMALL), ("neuron", _INT), _FREQUENCY, ("share", _DOUBLE), *_DEFINED
    ),
    "progress": _schema(
        ("step", _BIG), *_texts("measure", "split"), _FREQUENCY, ("value", _DOUBLE), *_DEFINED
    ),
    "transitions": _schema(
        ("series", _TEXT), *_bigs("step", "step_low", "step_high"), ("effect", _DOUBLE), ("rule", _TEXT), *_DEFINED
    ),
}  # fmt: skip

TABLES: dict[str, pa.Schema] = {
    "runs": RUNS,
    "attempts": ATTEMPTS,
    "metrics": METRICS,
    "scalars": SCALARS,
    "tensors": TENSORS,
    "snapshots": SNAPSHOTS,
    **DERIVED,
}

SORT: dict[str, tuple[str, ...]] = {
    "scalars": ("name", "attempt", "step"),
    "tensors": ("section", "tensor", "layer", "attempt", "step"),
    "snapshots": ("attempt", "step"),
}
"""The order of rows inside a part: what one curve needs lies together."""

UNITS = {
    "train_loss": "nats",
    "val_loss": "nats",
    "train_accuracy": "fraction",
    "val_accuracy": "fraction",
    "step_time_ms": "ms",
    "recorder_ms": "ms",
    "tokens_per_second": "tokens/s",
    "tokens_seen": "tokens",
    "mfu": "fraction",
    "memory_allocated_bytes": "bytes",
    "memory_peak_bytes": "bytes",
}
"""Units of the metrics whose names are part of the format; others have none that is known."""


def part_schema(table: str) -> pa.Schema:
    """The columns that a part of the table has: all but `run`, which the name of its folder tells."""
    return pa.schema([column for column in TABLES[table] if column.name != "run"])
