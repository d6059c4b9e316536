"""The row of a run inside its pointer: what the table says, without its file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from etl.ingest.load import ingest
from etl.store import inline
from etl.store.catalogue import Store
from etl.store.files import Files
from etl.store.manage import rename_run
from etl.store.pointer import pointer_name, read_pointer
from tests.support.make_run import make_run


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        ingest([make_run(tmp_path / "runs" / name, steps=(0,))], tmp_path / "store")
    return tmp_path / "store"


def test_it_is_what_the_table_says_after_an_ingest_and_a_rename(store: Path) -> None:
    rename_run(Files(store), "a", "Zweiter")
    catalogue = Store(store).current()
    stored = catalogue.query("SELECT * FROM runs").sort_by("run")
    assert catalogue.every_run().sort_by("run").equals(stored)
    assert stored["name"].to_pylist() == ["Zweiter", "b"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 1}', "null"])
def test_a_row_that_is_not_there_or_odd_is_read_from_its_part(store: Path, text: str) -> None:
    files = Files(store)
    pointer = read_pointer(files, "a")
    pointer.tables["runs"] = [replace(pointer.tables["runs"][0], inline=text)]
    files.put(pointer_name("a"), pointer.to_bytes())
    catalogue = Store(store).current()
    assert catalogue.every_run().sort_by("run").equals(catalogue.query("SELECT * FROM runs").sort_by("run"))


def test_a_value_of_another_type_is_not_believed(store: Path) -> None:
    files = Files(store)
    pointer = read_pointer(files, "a")
    row = json.loads(pointer.tables["runs"][0].inline) | {"steps": "many"}
    pointer.tables["runs"] = [replace(pointer.tables["runs"][0], inline=json.dumps(row))]
    files.put(pointer_name("a"), pointer.to_bytes())
    assert Store(store).current().every_run().num_rows == 2


def test_a_run_whose_part_is_damaged_is_left_out(store: Path) -> None:
    part = next((store / "tables" / "runs" / "run=a").iterdir())
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 0xFF
    part.write_bytes(bytes(data))
    assert Store(store).current().every_run()["run"].to_pylist() == ["b"]


def test_what_is_long_or_no_json_stays_in_the_part(store: Path) -> None:
    rows = Store(store).current().query("SELECT * EXCLUDE run FROM runs LIMIT 1")
    long = rows.set_column(rows.column_names.index("config"), "config", [["x" * 20_000]])
    assert inline.written("runs", long) == ""
    assert (
        inline.written("runs", rows.set_column(rows.column_names.index("ended_at"), "ended_at", [[float("nan")]]))
        == ""
    )
    assert inline.written("attempts", rows) == ""
