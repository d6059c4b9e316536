"""The small tables of a run: attempts, and the run itself."""

from __future__ import annotations

import json
import time as clock
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from etl.ingest.source import About
from etl.local_files import name_text
from etl.run.attempts import Attempt
from etl.store.schema import part_schema

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
        "name": name_text(about.name),
        "source": source,
        "status": run_status(attempts, newest),
        "ended_at": attempts[-1].end_time if attempts else None,
        "steps": max(last, default=None),
        "attempts": len(attempts),
        "optimal_tokens": about.n_params * TOKENS_PER_PARAMETER if about.n_params is not None else None,
        "config": json.dumps(dict(about.config)),
    }
    return pa.Table.from_pylist([row], part_schema("runs"))
