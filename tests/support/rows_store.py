"""A store of a few rows, written without any recording: for what is asked of versions and pointers alone."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from etl.store.changes import Changes
from etl.store.files import Files
from etl.store.pointer import Pointer, read_pointer
from etl.store.schema import part_schema
from etl.store.store_file import prepare_store


def grow(store: Path, run: str, *steps: int) -> Pointer:
    """Commit one more row of the run's curve `loss` for each of the steps, whose value is the step; the run is made
    unless it is there."""
    files = Files(store)
    prepare_store(files)
    changes = Changes(files, read_pointer(files, run))
    changes.append("scalars", _rows("scalars", [_row(step) for step in steps]))
    changes.replace("runs", _rows("runs", [{"name": run, "status": "running", "steps": max(steps)}]))
    changes.commit({"step": max(steps)})
    return read_pointer(files, run)


def _row(step: int) -> dict[str, object]:
    return {"attempt": 0, "name": "loss", "step": step, "value": float(step)}


def _rows(table: str, rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, part_schema(table))
