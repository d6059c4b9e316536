"""How fast large stores answer, beside a bare DuckDB query over one sorted Parquet file: see docs/benchmarks.md.

python bench/store.py [--runs 50] [--steps 1000] [--small-runs 1000] [--repeat 15] [--folder DIR]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from etl.ingest.metric_catalogue import metrics_table
from etl.store.catalogue import Store
from etl.store.files import Files
from etl.store.pointer import PartFile, commit, read_pointer, write_part
from etl.store.schema import TABLES
from etl.store.store_file import prepare_store

LAYERED = (
    "ln1w", "ln1b", "qkvw", "qkvb", "attprojw", "attprojb", "ln2w", "ln2b", "fcw", "fcb", "fcprojw", "fcprojb",
)  # fmt: skip
WHOLE = ("wte", "wpe", "lnfw", "lnfb")
LAYERS = 12
TENSORS = LAYERS * len(LAYERED) + len(WHOLE)
STATISTICS = ("l2", "mean", "std", "min", "max", "abs_max", "zero_fraction", "update_ratio")
CUTS = 10
"""Every tenth run was resumed in the middle: its table has rows that a later attempt replaced."""
EXAMPLE = "run-007"


def schema_of(table: str) -> pa.Schema:
    """The columns that a part of this table has."""
    return pa.schema([column for column in TABLES[table] if column.name != "run"])


def filled(table: str, columns: dict[str, Any], rows: int) -> pa.Table:
    """The columns in the table's order and types, NULL where there is none."""
    schema = schema_of(table)
    values = {column.name: columns.get(column.name, pa.nulls(rows, column.type)) for column in schema}
    return pa.table(values, schema=schema)


def tensor_rows(seed: int, steps: int) -> pa.Table:
    """One run's `tensors`: gradients that shrink with noise on them, float32, steps x 148 rows."""
    random = np.random.default_rng(seed)
    names = [(name, layer) for name in LAYERED for layer in range(LAYERS)] + [(name, None) for name in WHOLE]
    step = np.arange(steps, dtype=np.int64)
    rows = len(names) * steps
    scale = np.exp(random.normal(0, 1, (len(names), 1)) - step / steps) * np.exp(0.1 * random.normal(size=(1, steps)))
    values = {
        name: (scale * np.exp(0.2 * random.normal(size=scale.shape))).astype(np.float32).ravel()
        for name in STATISTICS
    }
    values["zero_fraction"] = (random.integers(0, 100, rows) / 4096).astype(np.float32)
    columns = {
        "attempt": np.zeros(rows, np.int32),
        "section": pa.array(["grads"] * rows),
        "tensor": pa.array([name for name, _ in names for _ in range(steps)]),
        "layer": pa.array([layer for _, layer in names for _ in range(steps)], pa.int16()),
        "step": np.tile(step, len(names)),
        "n": np.repeat(random.integers(768, 2_359_296, len(names)), steps),
        "nonfinite": np.zeros(rows, np.int64),
        **values,
    }
    schema = pa.schema([column for column in TABLES["tensors"] if column.name != "run"])
    return pa.table(
        {
            name: columns.get(name, pa.nulls(rows, kind))
            for name, kind in zip(schema.names, schema.types, strict=True)
        },
        schema=schema,
    )


def scalar_rows(seed: int, names: list[str], steps: int) -> pa.Table:
    """One run's `scalars`: a falling curve for each name."""
    random = np.random.default_rng(seed)
    step = np.tile(np.arange(steps, dtype=np.int64), len(names))
    columns = {
        "attempt": np.zeros(step.size, np.int32),
        "name": pa.array(np.repeat(names, steps)),
        "step": step,
        "value": np.exp(-step / steps) + 0.05 * random.normal(size=step.size),
        "time": 1.76e9 + step,
    }
    return filled("scalars", columns, step.size)


def run_row(run: str, number: int, steps: int) -> pa.Table:
    row = {"name": run, "source": "snapshots", "status": "finished", "created_at": 1.76e9 + number, "steps": steps,
           "attempts": 1, "config": "{}"}  # fmt: skip
    return pa.Table.from_pylist([row], schema_of("runs"))


def attempt_rows(cut: int | None) -> pa.Table:
    rows = [{"attempt": 0, "first_step": 0, "cut_step": cut, "changes": "{}"}]
    again = [{"attempt": 1, "first_step": cut, "changes": "{}"}] if cut else []
    return pa.Table.from_pylist(rows + again, schema_of("attempts"))


def with_second_attempt(tensors: pa.Table, cut: int) -> pa.Table:
    """The same rows, and those from `cut` on a second time, as attempt 1."""
    again = tensors.filter(pa.array(tensors["step"].to_numpy() >= cut))
    attempt = pa.array(np.ones(again.num_rows, np.int32))
    return pa.concat_tables([tensors, again.set_column(0, "attempt", attempt)])


@dataclass(frozen=True)
class Written:
    """What it took to write one run's statistics."""

    seconds: float
    bytes: int
    values: int


def store_run(store: str, run: str, tables: dict[str, pa.Table]) -> Written:
    """Commit one run, as ingest does; the time is that of its `tensors` or `scalars`."""
    files = Files(store)
    parts: dict[str, list[PartFile]] = {}
    written = Written(0.0, 0, 0)
    for table, rows in tables.items():
        start = time.perf_counter()
        parts[table] = [write_part(files, run, table, rows)]
        if table == "tensors":
            size = parts[table][0].bytes
            written = Written(time.perf_counter() - start, size, rows.num_rows * len(STATISTICS))
    commit(files, read_pointer(files, run), parts, {})
    return written


def large_run(store: str, steps: int, number: int) -> Written:
    run = f"run-{number:03}"
    tensors = tensor_rows(number, steps)
    cut = steps // 2 if number % CUTS == 1 else None
    return store_run(store, run, {
        "runs": run_row(run, number, steps), "attempts": attempt_rows(cut),
        "tensors": with_second_attempt(tensors, cut) if cut else tensors,
    })  # fmt: skip


def small_run(store: str, steps: int, number: int) -> Written:
    """100 metrics of 12,000 names: 40 that all runs share and 60 of the run's neighbourhood."""
    run = f"small-{number:04}"
    own = number % 200
    names = ["train_loss", "val_loss", "train_accuracy", "val_accuracy"]
    names += [f"common/metric-{k:02}" for k in range(36)] + [f"group-{own:03}/metric-{k:02}" for k in range(60)]
    scalars = scalar_rows(number, sorted(names), steps)
    return store_run(store, run, {
        "runs": run_row(run, number, steps), "attempts": attempt_rows(None), "scalars": scalars,
        "metrics": metrics_table(scalars, [], {}),
    })  # fmt: skip


def make(store: Path, runs: int, one: Callable[[int], Written]) -> list[Written]:
    prepare_store(Files(store))
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(one, range(runs), chunksize=5))


def one_sorted_file(store: Store, path: Path) -> None:
    """The current rows of `tensors` in one Parquet file, sorted as a person would for these queries."""
    catalogue = store.current()
    rows = catalogue.query("SELECT * FROM tensors ORDER BY run, section, tensor, layer, step")
    pq.write_table(rows, path, compression="zstd", row_group_size=16_384)


QUERIES: dict[str, tuple[float, str]] = {
    "one curve": (10, f"""SELECT step, l2 FROM tensors WHERE run = '{EXAMPLE}' AND section = 'grads'
        AND tensor = 'qkvw' AND layer = 5 ORDER BY step"""),
    "one curve of a resumed run": (10, """SELECT step, l2 FROM tensors WHERE run = 'run-001' AND section = 'grads'
        AND tensor = 'qkvw' AND layer = 5 ORDER BY step"""),
    "all 148 curves of a statistic": (30, f"""SELECT tensor, layer, step, l2 FROM tensors
        WHERE run = '{EXAMPLE}' AND section = 'grads' ORDER BY tensor, layer, step"""),
    "last value of one tensor, every run": (30, """SELECT run, arg_max(l2, step) FROM tensors
        WHERE section = 'grads' AND tensor = 'qkvw' AND layer = 5 GROUP BY run"""),
    "last value of 148 tensors, every run": (150, """SELECT run, tensor, layer, arg_max(l2, step) FROM tensors
        WHERE section = 'grads' GROUP BY run, tensor, layer"""),
    "step of the peak gradient, each tensor": (15, f"""SELECT tensor, layer, arg_max(step, l2) FROM tensors
        WHERE run = '{EXAMPLE}' AND section = 'grads' GROUP BY tensor, layer"""),
}  # fmt: skip


def best_of(work: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Median and least milliseconds after one call that is not counted."""
    work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times)), min(times)


def query_times(store: Path, repeat: int, folder: Path) -> Iterator[tuple[str, float, float, str]]:
    """(what, median ms, bar, remark) of each query, with its ratio to the bare one in the same run."""
    opened = Store(store)
    sorted_file = folder / "sorted.parquet"
    one_sorted_file(opened, sorted_file)
    bare = duckdb.connect()
    bare.execute("SET enable_progress_bar = false; SET parquet_metadata_cache = true")
    bare.execute(f"CREATE VIEW tensors AS SELECT * FROM '{sorted_file}'")
    catalogue = opened.current()
    for what, (bar, sql) in QUERIES.items():
        median, _ = best_of(partial(catalogue.query, sql), repeat)
        plain, _ = best_of(lambda sql=sql: bare.cursor().sql(sql).to_arrow_table(), repeat)  # type: ignore[misc]
        yield what, median, bar, f"{median / plain:.2f}x a bare query ({plain:.1f} ms)"


FIRST_QUERY = """
import sys, time
import duckdb, pyarrow, numpy, etl.store.catalogue
start = time.perf_counter()
catalogue = etl.store.catalogue.Store(sys.argv[1]).current()
catalogue.query(sys.argv[2])
print(1e3 * (time.perf_counter() - start))
"""


def first_query(store: Path, repeat: int) -> float:
    """Milliseconds from imports done to the first answer, in a fresh process."""
    command = [sys.executable, "-c", FIRST_QUERY, str(store), QUERIES["one curve"][1]]
    times = [float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(repeat)]
    return float(np.median(times))


def write_times(folder: Path, steps: int) -> float:
    """Median seconds to write one run's statistics in a process that does nothing else."""
    rows = tensor_rows(1, steps)
    return best_of(lambda: write_part(Files(folder / "written"), "one", "tensors", rows), 5)[0] / 1e3


PAGE = """
import os, sys, time
from streamlit.testing.v1 import AppTest

def page(store):
    os.environ["STROBE_STORE"] = store
    app = AppTest.from_file(os.path.join(os.getcwd(), "streamlit_app.py"), default_timeout=60)
    app.switch_page(f"pages/{sys.argv[1]}.py")
    start = time.perf_counter()
    app.run()
    assert not app.exception, app.exception
    return 1e3 * (time.perf_counter() - start)

page(sys.argv[2] + "-empty")  # the example alone: imports
print(page(sys.argv[2]))
"""


def page_times(store: Path) -> Iterator[tuple[str, float, float, str]]:
    """A page of the store of 1,000 runs, made by a server that has everything imported and nothing cached."""
    root = Path(__file__).resolve().parents[1]
    for page in ("runs", "curves"):
        command = [sys.executable, "-c", PAGE, page, str(store)]
        times = []
        for _ in range(3):
            done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=root)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            times.append(float(done.stdout))
        yield f"page {page}, cold caches", float(np.median(times)), 2000, ""


def report(folder: Path, arguments: argparse.Namespace) -> bool:
    large, small = folder / "large", folder / "small"
    start = time.perf_counter()
    written = make(large, arguments.runs, partial(large_run, str(large), arguments.steps))
    values, size = sum(w.values for w in written), sum(w.bytes for w in written)
    print(
        f"{values:,} statistic values of {arguments.runs} runs in {time.perf_counter() - start:.0f} s, {size:,} bytes"
    )
    make(small, arguments.small_runs, partial(small_run, str(small), 100))
    rows: list[tuple[str, float, float, str]] = [
        ("bytes a value", size / values, 4, ""),
        ("write one run, s", write_times(folder, arguments.steps), 0.15, ""),
        ("first query, fresh process, ms", first_query(large, 5), 150, ""),
    ]
    rows += [(f"{what}, ms", *rest) for what, *rest in query_times(large, arguments.repeat, folder)]  # type: ignore[misc]
    rows += [(f"{what}, ms", *rest) for what, *rest in page_times(small)]  # type: ignore[misc]
    for what, value, bar, remark in rows:
        print(f"{what:42} {value:9.3g}   bar <= {bar:g}   {'ok' if value <= bar else 'MISSED'}   {remark}")
    return all(value <= bar for _, value, bar, _ in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--small-runs", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="kept afterwards; a temporary one by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return 0 if report(arguments.folder or Path(temporary), arguments) else 1


if __name__ == "__main__":
    sys.exit(main())
