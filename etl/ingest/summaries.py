"""The small tables of a run: attempts, the metric catalogue, and the run itself."""

from __future__ import annotations

import json
import time as clock
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from etl.ingest.names import Names
from etl.ingest.source import About
from etl.run.journal import Attempt
from etl.store.accuracy import NAMES, accuracy_scale
from etl.store.current import CUTS, current_rows
from etl.store.schema import UNITS, part_schema

LIVE_S = 120.0
"""A run without an end line whose newest metric is younger than this is running."""
TOKENS_PER_PARAMETER = 20
"""Compute-optimal tokens for each parameter (Hoffmann et al., "Training compute-optimal LLMs", 2022)."""


def attempts_table(attempts: Sequence[Attempt]) -> pa.Table:
    rows = [
        {
            "attempt": a.attempt,
            "first_step": a.step,
            "cut_step": a.cut_step,
            "started_at": a.time,
            "changes": json.dumps(a.training),
            "lost": json.dumps(a.lost) if a.lost else None,
        }
        for a in attempts
    ]
    return pa.Table.from_pylist(rows, part_schema("attempts"))


_CATALOGUE = """
    SELECT name, name AS source_name, NULL::VARCHAR AS unit, count(*) AS n,
           min(step) AS first_step, max(step) AS last_step, arg_max(value, step) AS last_value,
           min(value) FILTER (isfinite(value)) AS min,
           arg_min(step, (value, step)) FILTER (isfinite(value)) AS min_step,
           max(value) FILTER (isfinite(value)) AS max,
           arg_max(step, (value, -step)) FILTER (isfinite(value)) AS max_step,
           count(*) FILTER (NOT isfinite(value)) AS nonfinite,
           min(step) FILTER (NOT isfinite(value)) AS first_nonfinite_step
    FROM ({current})
    GROUP BY name ORDER BY name
"""


def metrics_table(scalars: pa.Table, attempts: Sequence[Attempt], names: Names) -> pa.Table:
    """The catalogue of a run's metrics over its current rows; `names` are the log's own -> those that are stored."""
    import duckdb

    cuts = pa.table(
        {"attempt": [a.attempt for a in attempts], "cut_step": [a.cut_step for a in attempts]},
        schema=pa.schema([("attempt", pa.int32()), ("cut_step", pa.int64())]),
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("scalars", scalars)
        connection.register(CUTS, cuts)
        sql = _CATALOGUE.format(current=current_rows("scalars", part_schema("scalars").names))
        table: pa.Table = connection.sql(sql).to_arrow_table()
    own = {stored: name for name, stored in names.items()}
    sources = pa.array([own.get(name, name) for name in table["name"].to_pylist()], pa.string())
    table = table.set_column(table.schema.get_field_index("source_name"), "source_name", sources)
    return with_units(table).cast(part_schema("metrics"))


def with_units(metrics: pa.Table) -> pa.Table:
    """A catalogue of metrics with the units that their names and values tell."""
    return metrics.set_column(metrics.schema.get_field_index("unit"), "unit", _units(metrics))


def _units(metrics: pa.Table) -> pa.Array:
    """Of every metric: by its name, of the accuracies by their values."""
    ends = {
        name: (low, top)
        for name, low, top in zip(*(metrics[key].to_pylist() for key in ("name", "min", "max")), strict=True)
        if name in NAMES and low is not None
    }
    known = UNITS | dict.fromkeys(ends, accuracy_scale(ends).unit)
    return pa.array([known.get(name) for name in metrics["name"].to_pylist()], pa.string())


def run_status(attempts: Sequence[Attempt], newest: float | None) -> str:
    """finished, interrupted or failed as the last attempt's end line says; else running or unknown."""
    if attempts and attempts[-1].end is not None:
        return attempts[-1].end
    return "running" if newest is not None and clock.time() - newest < LIVE_S else "unknown"


def runs_table(
    about: About,
    source: str,
    attempts: Sequence[Attempt],
    metrics: pa.Table,
    snapshots: pa.Table,
    *,
    newest: float | None = None,
) -> pa.Table:
    """The run's row of `runs`, but for `snapshots_path` and `reduced`. `steps` is the last step recorded.

    `newest` is the Unix time of the newest metric.
    """
    last = [step for table, key in ((metrics, "last_step"), (snapshots, "step")) for step in table[key].to_pylist()]
    said = ("name", "task", "created_at", "n_params", "n_layer", "n_head", "n_embd", "vocab_size")
    row: dict[str, Any] = {
        **{column: getattr(about, column) for column in (*said, "tokens_per_step", "device", "peak_flops")},
        "source": source,
        "status": run_status(attempts, newest),
        "ended_at": attempts[-1].end_time if attempts else None,
        "steps": max(last, default=None),
        "attempts": len(attempts),
        "optimal_tokens": about.n_params * TOKENS_PER_PARAMETER if about.n_params is not None else None,
        "config": json.dumps(dict(about.config)),
    }
    return pa.Table.from_pylist([row], part_schema("runs"))
