"""The views of current rows: what a later attempt or a later line replaced is not in them, run by run."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.sql.sandbox import Limits, Sandbox
from etl.store.catalogue import Store
from etl.store.compact import compact
from etl.store.database import Database
from etl.store.files import Files
from etl.store.layout import encodings
from etl.store.pointer import Pointer, commit, read_rows, write_part
from etl.store.schema import NARROW, TABLES, register
from etl.store.store_file import prepare_store
from tests.support.damaged_store import typed
from tests.support.effort import IN_CI
from tests.support.places import ROOT

ATTEMPTS = {
    "plain": [(0, 0, None)],
    "resumed": [(0, 0, 5), (1, 5, None)],
    "twice": [(0, 0, 3), (1, 5, 3), (2, 3, None)],
}
"""Run -> (attempt, first_step, cut_step)."""

PATIENT = Limits(timeout_s=60.0)
"""What a statement may take is no matter here, and its child gives way to all other work."""


def schema(table: str) -> pa.Schema:
    return pa.schema([column for column in TABLES[table] if column.name != "run"])


def make(path: Path, runs: list[str]) -> Store:
    files = Files(path)
    prepare_store(files)
    for run in runs:
        attempts = [dict(zip(("attempt", "first_step", "cut_step"), row, strict=True)) for row in ATTEMPTS[run]]
        scalars = [
            {"attempt": row["attempt"], "name": "loss", "step": step, "value": float(step)}
            for row in [*attempts, {"attempt": -1}]
            for step in range(8)
        ]
        tables = {"runs": [{"name": run}], "attempts": attempts, "scalars": scalars}
        parts = {
            table: [write_part(files, run, table, pa.Table.from_pylist(rows, schema(table)))]
            for table, rows in tables.items()
        }
        commit(files, Pointer(run), parts, {})
    return Store(path)


@pytest.mark.parametrize("runs", [["plain"], ["resumed"], ["plain", "resumed", "twice"]])
def test_current_rows(tmp_path: Path, runs: list[str]) -> None:
    catalogue = make(tmp_path / "store", runs).current()
    for run in runs:
        rows = catalogue.query("SELECT attempt, step FROM scalars WHERE run = $1 ORDER BY ALL", [run]).to_pylist()
        expected = [
            (attempt, step) for attempt, _, cut in ATTEMPTS[run] for step in range(8) if cut is None or step < cut
        ]
        assert [(row["attempt"], row["step"]) for row in rows] == expected
    every = sum(8 * (len(ATTEMPTS[run]) + 1) for run in runs)
    assert catalogue.query("SELECT count(*) AS n FROM scalars_all").to_pylist() == [{"n": every}]


def test_runs_are_newest_first_however_they_were_read(tmp_path: Path) -> None:
    assert make(tmp_path / "store", list(ATTEMPTS)).runs()["run"].to_pylist() == sorted(ATTEMPTS)


@given(st.lists(st.floats(width=32), max_size=50), st.lists(st.integers(0, 2**62), max_size=50))
def test_no_bit_is_lost_by_the_layout(tmp_path_factory: pytest.TempPathFactory, reals: list, steps: list) -> None:
    rows = max(len(reals), len(steps))
    table = pa.table({
        "step": pa.array(steps + [None] * (rows - len(steps)), pa.int64()),
        "l2": pa.array(reals + [None] * (rows - len(reals)), pa.float32()),
        "values": pa.array([reals] * rows, pa.list_(pa.float32())),
        "name": pa.array(["a"] * rows),
    })  # fmt: skip
    path = tmp_path_factory.mktemp("layout") / "t.parquet"
    pq.write_table(table, path, compression="zstd", **encodings(table.schema))
    back = pq.ParquetFile(path).read()
    for name in table.column_names:
        for one, two in zip(table[name].chunks, back[name].chunks, strict=True):
            assert [b and b.to_pybytes() for b in one.buffers()][-1:] == [
                b and b.to_pybytes() for b in two.buffers()
            ][-1:]
    assert back.schema == table.schema


def test_the_page_of_the_store_lists_the_tables_that_there_are() -> None:
    import strobe.derive.registry  # noqa: F401  its tables are known once it is imported

    page = (ROOT / "docs" / "store.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    assert [name for name, _ in listed] == list(TABLES)
    for name, columns in listed:
        words = set(re.findall(r"\w+", columns))
        own = [c for c in TABLES[name].names if c not in ("run", "definition", "note")]
        key = set(re.findall(r"\w+", re.search(rf"^\| `{name}` \| ([^|]+) \|", page, re.MULTILINE)[1]))
        assert set(own) <= words | key, name


def test_a_part_from_before_a_column_was_added_has_null_there(tmp_path: Path) -> None:
    """As when an analysis measures more than it did: the stored rows are stale, and readable until they are new."""
    columns = [("run", pa.string()), ("step", pa.int64()), ("value", pa.float64())]
    files, pointer = Files(tmp_path / "store"), Pointer("plain")
    prepare_store(files)
    more = pa.schema([*columns, ("p", pa.float64())])
    try:
        register("grown", pa.schema(columns))
        old, older = (write_part(files, "plain", "grown", pa.table({"step": [0], "value": [1.0]})) for _ in "ab")
        register("grown", more)
        new = write_part(files, "plain", "grown", pa.table({"step": [1], "value": [2.0], "p": [0.5]}))
        parts = {
            "runs": [write_part(files, "plain", "runs", pa.Table.from_pylist([{"name": "plain"}], schema("runs")))],
            "grown": [old, new, replace(older, columns="")],
        }
        pointer = commit(files, pointer, parts, {})
        catalogue = Store(tmp_path / "store").current()
        rows = [{"step": 0, "value": 1.0, "p": None}] * 2 + [{"step": 1, "value": 2.0, "p": 0.5}]
        assert catalogue.query("SELECT step, value, p FROM grown ORDER BY step").to_pylist() == rows
        sandboxed = Sandbox(catalogue).run("SELECT step, value, p FROM grown ORDER BY step", PATIENT).table
        assert sandboxed.to_pylist() == rows
        assert sorted(read_rows(files, pointer, "grown").to_pylist(), key=lambda row: row["step"]) == rows
        compact(files, "plain")
        assert Store(tmp_path / "store").sql("SELECT step, value, p FROM grown ORDER BY step").to_pylist() == rows
    finally:
        TABLES.pop("grown")
        NARROW.pop("grown")


FOLDERS = {"exp[1]": "exp1", "a*b": "axb", "a?b": "axb", "run=evil": "run=good", "lr=0.1": "lr=0.2", "it's": "its"}
"""Names that DuckDB would read as patterns or partitions, each with one that the same pattern fits."""


@pytest.mark.parametrize("folder", [*FOLDERS, "run=evil/run=worse", "step=3/x"])
def test_a_store_is_read_from_its_own_folder_whatever_that_is_called(tmp_path: Path, folder: str) -> None:
    asked = tmp_path / folder / "store"
    make(asked, ["plain", "resumed"])
    other = tmp_path / FOLDERS.get(folder, "other") / "store"
    shutil.copytree(asked, other)
    for part in other.rglob("part-*.parquet"):
        rows = pq.ParquetFile(part).read()
        pq.write_table(pa.concat_tables([rows, rows]), part)
    store = Store(asked)
    counts = store.sql("SELECT run, count(*) AS n FROM scalars_all GROUP BY run ORDER BY run").to_pylist()
    assert counts == [{"run": "plain", "n": 16}, {"run": "resumed", "n": 24}]
    assert store.run("resumed").id == "resumed"
    attached = Store(tmp_path / "plain", attached=[asked])
    make(tmp_path / "plain", ["twice"])
    assert attached.sql("SELECT DISTINCT run FROM scalars ORDER BY run")["run"].to_pylist() == [
        "plain", "resumed", "twice",
    ]  # fmt: skip
    catalogue = store.current()
    asked_by_visitors = "SELECT count(DISTINCT run) AS n FROM scalars"
    assert typed(asked, asked_by_visitors) == [(2,)]
    # The same through a child, which a name as such is no matter of.
    if IN_CI or folder == "exp[1]":
        assert Sandbox(catalogue).run(asked_by_visitors, PATIENT).table["n"].to_pylist() == [2]


def many(path: Path) -> Store:
    """More runs than have their small tables read at each question; one was resumed."""
    files = Files(path)
    prepare_store(files)
    for k in range(10):
        attempts = [{"attempt": 0, "cut_step": 5 if k == 3 else None}, *([{"attempt": 1}] if k == 3 else [])]
        tables = {
            "runs": [{"name": f"r{k}"}],
            "attempts": attempts,
            "metrics": [{"name": "loss", "n": k}],
            "scalars": [{"attempt": 0, "name": "loss", "step": step, "value": 1.0} for step in range(8)],
        }
        parts = {
            table: [write_part(files, f"r{k}", table, pa.Table.from_pylist(rows, schema(table)))]
            for table, rows in tables.items()
        }
        commit(files, Pointer(f"r{k}"), parts, {})
    return Store(path)


def test_a_catalogue_of_metrics_that_is_copied_leaves_out_what_is_damaged(tmp_path: Path) -> None:
    """Also where the first statement asks for another run, which alone is compared with its CRC before."""
    store = many(tmp_path)
    part = next((tmp_path / "tables" / "metrics" / "run=r4").iterdir())
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(bytes(data))
    catalogue = store.current()
    assert catalogue.query("SELECT n FROM metrics WHERE run = 'r2'").to_pylist() == [{"n": 2}]
    assert set(catalogue.query("SELECT run FROM metrics")["run"].to_pylist()) == {f"r{k}" for k in range(10)} - {"r4"}
    assert [damage.run for damage in catalogue.damage] == ["r4"]


def test_of_runs_with_one_attempt_no_file_tells_that_it_was_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    define = Database.define
    monkeypatch.setattr(Database, "define", lambda *given: (asked.append(given[1]), define(*given))[1])
    rows = many(tmp_path).current().query("SELECT run, count(*) AS n FROM scalars GROUP BY run").to_pylist()
    assert {row["run"]: row["n"] for row in rows} == {f"r{k}": 5 if k == 3 else 8 for k in range(10)}
    read = " ".join(asked)
    assert "tables/attempts/run=r3" in read
    assert "tables/attempts/run=r2" not in read
