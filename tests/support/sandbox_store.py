"""A small store on disk, in the layout of docs/store.md, for the tests of the sandbox."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

RUNS = ("grok-p97", "baseline", "r-20251113")
STEPS = 200
CUT_STEP = 100
"""Step from which attempt 1 of the first run took over from attempt 0."""


@dataclass(frozen=True)
class Part:
    run: str
    path: Path


class Catalogue:
    """What the sandbox asks of a catalogue, over a folder of parts."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def tables(self) -> dict[str, pa.Schema]:
        return SCHEMAS

    def parts(self, table: str) -> list[Part]:
        folders = sorted((self.root / "tables" / table).glob("run=*"))
        return [Part(folder.name[4:], file) for folder in folders for file in sorted(folder.glob("*.parquet"))]

    def verify(self, tables: Iterable[str]) -> bool:
        return False

    def query(self, sql: str) -> pa.Table:
        assert "cut_step" in sql
        columns = {"run": [RUNS[0]], "attempt": [0], "cut_step": [CUT_STEP]}
        return pa.table(columns, schema=pa.schema([SCHEMAS["attempts"].field(name) for name in columns]))


_RUN = pa.field("run", pa.string())
SCHEMAS = {
    "runs": pa.schema(
        [_RUN, ("name", pa.string()), ("status", pa.string()), ("steps", pa.int64()), ("config", pa.string())]
    ),
    "attempts": pa.schema([_RUN, ("attempt", pa.int32()), ("first_step", pa.int64()), ("cut_step", pa.int64())]),
    "metrics": pa.schema(
        [
            _RUN,
            ("name", pa.string()),
            ("n", pa.int64()),
            ("last_value", pa.float64()),
            ("step", pa.int64()),
            ("loss", pa.float64()),
        ]
    ),
    "scalars": pa.schema(
        [
            _RUN,
            ("attempt", pa.int32()),
            ("name", pa.string()),
            ("step", pa.int64()),
            ("value", pa.float64()),
            ("time", pa.float64()),
        ]
    ),
    "tensors": pa.schema(
        [
            _RUN,
            *[("attempt", pa.int32()), ("section", pa.string()), ("tensor", pa.string()), ("layer", pa.int16())],
            *[("step", pa.int64()), ("l2", pa.float32()), ("update_ratio", pa.float32())],
        ]
    ),
    "spectra": pa.schema(
        [_RUN, ("step", pa.int64()), ("tensor", pa.string()), ("singular_values", pa.list_(pa.float32()))]
    ),
    "imports": pa.schema([_RUN, ("path", pa.string()), ("rows", pa.int64())]),
}


def make(root: Path) -> Catalogue:
    """Write three runs; the first was resumed at CUT_STEP, so that its attempt 0 has stale rows after it."""
    for number, run in enumerate(RUNS):
        _write(
            root,
            "runs",
            run,
            {"name": [run.upper()], "status": ["finished"], "steps": [STEPS], "config": ['{"lr": 0.001}']},
        )
        attempts = [0, 1] if number == 0 else [0]
        first = [0, CUT_STEP][: len(attempts)]
        cuts = [CUT_STEP, None] if number == 0 else [None]
        _write(root, "attempts", run, {"attempt": attempts, "first_step": first, "cut_step": cuts})
        for attempt in attempts:
            steps = list(range(first[attempt], STEPS))
            _write_curves(root, run, attempt, steps, float(number))
        _write(
            root,
            "metrics",
            run,
            {
                "name": ["train_loss", "val_loss"],
                "n": [STEPS] * 2,
                "last_value": [0.1, 0.2],
                "step": [1, 2],
                "loss": [0.5, 0.25],
            },
        )
        spectra = [[float(i) for i in range(64)], [1.0]]
        _write(root, "spectra", run, {"step": [0, 1], "tensor": ["wte", "wpe"], "singular_values": spectra})
    return Catalogue(root)


def _write_curves(root: Path, run: str, attempt: int, steps: list[int], base: float) -> None:
    n = len(steps)
    for name in ("train_loss", "val_loss"):
        columns = {"attempt": [attempt] * n, "name": [name] * n, "step": steps}
        values = [base + 1.0 / (1 + step) for step in steps]
        _write(root, "scalars", run, {**columns, "value": values, "time": [1e9 + step for step in steps]})
    columns = {
        "attempt": [attempt] * n,
        "section": ["grads"] * n,
        "tensor": ["qkvw"] * n,
        "layer": [step % 2 for step in steps],
    }
    _write(root, "tensors", run, {**columns, "step": steps, "l2": [0.5] * n, "update_ratio": [1e-3] * n})


def _write(root: Path, table: str, run: str, columns: dict[str, list[object]]) -> None:
    folder = root / "tables" / table / f"run={run}"
    folder.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([SCHEMAS[table].field(name) for name in columns])
    number = len(list(folder.iterdir()))
    pq.write_table(pa.table(columns, schema=schema), folder / f"part-{number:06d}.parquet", compression="zstd")
