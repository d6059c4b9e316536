"""A store with one run in it, committed as ingest commits: for the tests that need a real catalogue."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa

from etl.store.files import Files
from etl.store.pointer import Pointer, commit, write_part
from etl.store.schema import TABLES
from etl.store.store_file import prepare_store

RUN = "grok-p97"
STEPS = 300


def make(root: Path, *, run: str = RUN, name: str = "Grokking <b>p97</b>") -> Path:
    """`STEPS` steps of four metrics and two tensors at every tenth; one NaN at step 7."""
    files = Files(root)
    prepare_store(files)
    steps = list(range(STEPS))
    tables = {
        "runs": {"name": [name], "status": ["finished"], "steps": [STEPS], "created_at": [1.7e9], "config": ["{}"]}
        | {"snapshots_path": [str(root / "elsewhere")]},
        "attempts": {"attempt": [0], "first_step": [0]},
        "metrics": _catalogue(),
        "scalars": _scalars(steps),
        "tensors": _tensors(steps[::10]),
    }
    parts = {table: [write_part(files, run, table, _rows(table, columns))] for table, columns in tables.items()}
    commit(files, Pointer(run), parts, {})
    return root


def _rows(table: str, columns: dict[str, list[object]]) -> pa.Table:
    count = len(next(iter(columns.values())))
    schema = pa.schema([field for field in TABLES[table] if field.name != "run"])
    return pa.table({name: columns.get(name, [None] * count) for name in schema.names}, schema=schema)


def _curves() -> dict[str, list[float]]:
    loss = [math.nan if step == 7 else 4.0 / (1 + step) for step in range(STEPS)]
    accuracy = [min(1.0, step / 100) for step in range(STEPS)]
    late = [min(1.0, step / 250) for step in range(STEPS)]
    return {"train_loss": loss, "val_loss": [2 * y for y in loss], "train_accuracy": accuracy, "val_accuracy": late}


def _scalars(steps: list[int]) -> dict[str, list[object]]:
    curves = _curves()
    return {
        "attempt": [0] * (len(steps) * len(curves)),
        "name": [name for name in curves for _ in steps],
        "step": steps * len(curves),
        "value": [y for values in curves.values() for y in values],
        "time": [1.7e9 + step for step in steps] * len(curves),
    }


def _catalogue() -> dict[str, list[object]]:
    curves = _curves()
    bad = [sum(math.isnan(y) for y in values) for values in curves.values()]
    return {
        "name": list(curves),
        "n": [STEPS] * len(curves),
        "last_value": [values[-1] for values in curves.values()],
        "last_step": [STEPS - 1] * len(curves),
        "nonfinite": bad,
        "first_nonfinite_step": [7 if count else None for count in bad],
    }


def _tensors(steps: list[int]) -> dict[str, list[object]]:
    kinds = [(section, tensor) for section in ("params", "grads") for tensor in ("wte", "qkvw")]
    count = len(steps) * len(kinds)
    return {
        "attempt": [0] * count,
        "section": [section for section, _ in kinds for _ in steps],
        "tensor": [tensor for _, tensor in kinds for _ in steps],
        "layer": [None if tensor == "wte" else 0 for _, tensor in kinds for _ in steps],
        "step": steps * len(kinds),
        "n": [1_000] * count,
        "l2": [1.0 + step for step in steps] * len(kinds),
        "update_ratio": [1e-5] * count,
        "nonfinite": [0] * count,
    }
