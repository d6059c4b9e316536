"""The small tables of a run: attempts, snapshots, the metric catalogue, and the run itself."""

from __future__ import annotations

import json
import math
import time as clock
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from etl.ingest.sources.snapshots import Flattened, attempt_rows, parameter_count
from etl.run.journal import Attempt, number, whole
from etl.run.manifest import Manifest
from etl.store.schema import ATTEMPTS, METRICS, RUNS, SNAPSHOTS, UNITS

LIVE_S = 120.0
"""A run without an end line whose newest metric is younger than this is running."""
TOKENS_PER_PARAMETER = 20
"""Compute-optimal tokens for each parameter (Hoffmann et al., "Training compute-optimal LLMs", 2022)."""


def _without_run(schema: pa.Schema) -> pa.Schema:
    return pa.schema([column for column in schema if column.name != "run"])


def attempts_table(attempts: Sequence[Attempt]) -> pa.Table:
    rows = [row | {"changes": json.dumps(row["changes"])} for row in attempt_rows(attempts)]
    return pa.Table.from_pylist(rows, _without_run(ATTEMPTS))


def snapshots_table(
    known: pa.Table, disk: Mapping[tuple[int, int], tuple[Path, int]], flattened: Sequence[Flattened]
) -> pa.Table:
    """The stored rows and the new ones; `file` is NULL for a snapshot that is no longer on disk."""
    rows = {(row["attempt"], row["step"]): row for row in known.to_pylist()}
    for item in flattened:
        rows[item.attempt, item.step] = {
            "attempt": item.attempt,
            "step": item.step,
            "file": item.path.name,
            "bytes": item.bytes,
            "crc32": item.crc32,
            "time": item.time,
        }
    ordered = [row | {"file": row["file"] if key in disk else None} for key, row in sorted(rows.items())]
    return pa.Table.from_pylist(ordered, _without_run(SNAPSHOTS))


_CATALOGUE = """
    SELECT name, name AS source_name, NULL::VARCHAR AS unit, count(*) AS n,
           min(step) AS first_step, max(step) AS last_step, arg_max(value, step) AS last_value,
           min(value) FILTER (isfinite(value)) AS min,
           arg_min(step, (value, step)) FILTER (isfinite(value)) AS min_step,
           max(value) FILTER (isfinite(value)) AS max,
           arg_max(step, (value, -step)) FILTER (isfinite(value)) AS max_step,
           count(*) FILTER (NOT isfinite(value)) AS nonfinite,
           min(step) FILTER (NOT isfinite(value)) AS first_nonfinite_step
    FROM scalars LEFT JOIN cuts USING (attempt)
    WHERE attempt >= 0 AND (cut_step IS NULL OR step < cut_step)
    GROUP BY name ORDER BY name
"""


def metrics_table(scalars: pa.Table, attempts: Sequence[Attempt]) -> pa.Table:
    """The catalogue of a run's metrics over its current rows."""
    import duckdb

    cuts = pa.table(
        {"attempt": [a.attempt for a in attempts], "cut_step": [a.cut_step for a in attempts]},
        schema=pa.schema([("attempt", pa.int32()), ("cut_step", pa.int64())]),
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("scalars", scalars)
        connection.register("cuts", cuts)
        table: pa.Table = connection.sql(_CATALOGUE).to_arrow_table()
    units = pa.array([UNITS.get(name) for name in table["name"].to_pylist()], pa.string())
    table = table.set_column(table.schema.get_field_index("unit"), "unit", units)
    return table.cast(_without_run(METRICS))


def run_status(attempts: Sequence[Attempt], newest: float | None) -> str:
    """finished, interrupted or failed as the last attempt's end line says; else running or unknown."""
    if attempts and attempts[-1].end is not None:
        return attempts[-1].end
    return "running" if newest is not None and clock.time() - newest < LIVE_S else "unknown"


def unix_time(value: float | str) -> float | None:
    """Unix seconds of a manifest's created_at; a time without a zone is UTC."""
    if not isinstance(value, str):
        return float(value)
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _finite(value: object) -> float | None:
    found = number(value)
    return found if found is not None and math.isfinite(found) else None


def _config(manifest: Manifest) -> str:
    raw = manifest.raw
    return json.dumps(
        {key: raw.get(key, {}) for key in ("model", "task", "training")} | {"writer": manifest.run.writer}
    )


def runs_table(
    manifest: Manifest,
    attempts: Sequence[Attempt],
    metrics: pa.Table,
    snapshots: pa.Table,
    *,
    newest: float | None = None,
) -> pa.Table:
    """The run's row of `runs`, but for `snapshots_path` and `reduced`. `steps` is the last step recorded."""
    model, training = manifest.raw["model"], manifest.training
    n_params = parameter_count(manifest)
    last = [step for table, key in ((metrics, "last_step"), (snapshots, "step")) for step in table[key].to_pylist()]
    kind = manifest.task.get("kind")
    row: dict[str, Any] = {
        "name": manifest.run.name,
        "source": "snapshots",
        "task": str(kind) if kind is not None else None,
        "status": run_status(attempts, newest),
        "created_at": unix_time(manifest.run.created_at),
        "ended_at": attempts[-1].end_time if attempts else None,
        "steps": max(last, default=None),
        "attempts": len(attempts),
        "n_params": n_params,
        "tokens_per_step": whole(training.get("tokens_per_step")),
        "optimal_tokens": n_params * TOKENS_PER_PARAMETER if n_params is not None else None,
        "device": str(training["device"]) if "device" in training else None,
        "peak_flops": _finite(training.get("peak_flops")),
        "config": _config(manifest),
        **{key: whole(model.get(key)) for key in ("n_layer", "n_head", "n_embd", "vocab_size")},
    }
    return pa.Table.from_pylist([row], _without_run(RUNS))
