"""A damaged part, pointer or store.json costs its own run's table; the rest is served, and the remedy mends it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.ingest.load import ingest
from etl.ingest.rebuild import rebuild
from etl.sql.reply import Limits
from etl.sql.sandbox import Sandbox
from etl.store.catalogue import Store
from etl.store.files import Files
from tests.support.damaged_store import (
    ALPHA,
    BETA,
    TABLES,
    assert_beta_is_read,
    assert_commands_about_beta,
    assert_mended,
    assert_pages_of_beta,
    call,
    part_of,
    template,
    told,
    warnings,
)
from tests.support.damages import PART, POINTER, STORE_FILE, copy_of
from tests.support.effort import UNLESS_IN_CI
from tests.support.make_run import make_run
from tests.support.tables import tables

PARTS = [(table, 0, harm) for table in TABLES for harm in PART] + [("scalars", 1, harm) for harm in PART]
FEW_PARTS = [
    ("scalars", 1, "gone"), ("tensors", 0, "flip in a page"),
    *(
        pytest.param(*part, marks=UNLESS_IN_CI)
        for part in [
            ("runs", 0, "gone"), ("attempts", 0, "flip in a page"), ("snapshots", 0, "a folder"),
            ("metrics", 0, "a pipe"), ("heads", 0, "flip in the footer"),
        ]
    ),
]  # fmt: skip
FEW_POINTERS = ["half", "a flipped bit"]
FEW_POINTERS += [pytest.param(harm, marks=UNLESS_IN_CI) for harm in ("no part of runs", "a path upwards", "a pipe")]
FEW_STORE_FILES = ["a pipe", pytest.param("another format", marks=UNLESS_IN_CI)]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STROBE_STORE", raising=False)
    monkeypatch.delenv("STROBE_READ_ONLY", raising=False)
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    monkeypatch.setattr("strobe.doctor.example_path", lambda: None)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return copy_of(template(), tmp_path / "store")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    return lambda path: monkeypatch.setenv("STROBE_STORE", str(path))


@pytest.mark.parametrize(("table", "number", "harm"), FEW_PARTS)
def test_a_damaged_part_costs_its_table(store: Path, table: str, number: int, harm: str) -> None:
    part = part_of(store, table, number)
    PART[harm](part)
    assert_beta_is_read(store, [ALPHA, table, part.name], table)
    assert_mended(store, f"strobe ingest --rebuild {ALPHA}")


@pytest.mark.parametrize("harm", FEW_POINTERS)
def test_a_damaged_pointer_costs_its_run(store: Path, harm: str) -> None:
    POINTER[harm](store / "runs" / ALPHA / "_parts.json")
    assert_beta_is_read(store, [ALPHA, "_parts.json"])
    assert_mended(store, f"strobe ingest --rebuild {ALPHA}")


@pytest.mark.parametrize("harm", FEW_STORE_FILES)
def test_a_damaged_store_file_costs_nothing(store: Path, harm: str) -> None:
    STORE_FILE[harm](store / "store.json")
    assert_beta_is_read(store, ["store.json"])
    assert_mended(store, f"rm -r {store / 'store.json'}")


@pytest.mark.slow
@pytest.mark.parametrize(("table", "number", "harm"), PARTS)
def test_every_damage_to_a_part(store: Path, use: Callable[[Path], None], table: str, number: int, harm: str) -> None:
    part = part_of(store, table, number)
    PART[harm](part)
    # What lies inside a file shows when it is read, and Runs reads no more than these tables.
    shown = not harm.startswith("flip") or table in ("runs", "attempts", "metrics", "scalars")
    assert_pages_of_beta(store, use, [ALPHA, table] if shown else [], ["runs", "curves"])
    assert_commands_about_beta(store)
    assert_beta_is_read(store, [ALPHA, table, part.name], table)
    assert_mended(store, f"strobe ingest --rebuild {ALPHA}")


@pytest.mark.slow
@pytest.mark.parametrize("harm", POINTER)
def test_every_damage_to_a_pointer(store: Path, use: Callable[[Path], None], harm: str) -> None:
    POINTER[harm](store / "runs" / ALPHA / "_parts.json")
    assert_pages_of_beta(store, use, [ALPHA], ["runs", "curves"])
    assert_commands_about_beta(store)
    assert_beta_is_read(store, [ALPHA, "_parts.json"])
    assert_mended(store, f"strobe ingest --rebuild {ALPHA}")


@pytest.mark.slow
@pytest.mark.parametrize("harm", STORE_FILE)
def test_every_damage_to_the_store_file(store: Path, use: Callable[[Path], None], harm: str) -> None:
    STORE_FILE[harm](store / "store.json")
    assert_pages_of_beta(store, use, ["store.json"], ["runs", "curves"])
    assert_commands_about_beta(store)
    assert_beta_is_read(store, ["store.json"])
    assert_mended(store, f"rm -r {store / 'store.json'}")


@pytest.mark.parametrize("harm", ["gone", "a folder", "a pipe"])
def test_a_damaged_run_can_always_be_removed(store: Path, harm: str) -> None:
    for table in TABLES:
        PART[harm](part_of(store, table))
    if harm != "gone":
        POINTER[harm](store / "runs" / ALPHA / "_parts.json")
    result = call("rm", ALPHA, "--store", str(store))
    assert result.exit_code == 0, told(result)
    assert not [path for path in store.rglob("*") if ALPHA in str(path.relative_to(store))]
    assert call("doctor", "--store", str(store)).exit_code == 0


def test_what_is_made_of_damaged_tables_is_not_made_again(store: Path) -> None:
    """Its rows would be of another run; the other tables are filled, and the exit code tells."""
    part_of(store, "scalars", 1).unlink()
    part_of(store, "transitions").unlink()
    part_of(store, "heads").unlink()
    result = call("analyze", ALPHA)
    assert result.exit_code == 1
    assert "heads: 4 snapshots" in result.stdout
    assert "left out transitions" in result.output
    assert "table scalars" in result.output
    assert {found.table for found in Store(store).damage} == {"scalars", "transitions"}


def test_the_pages_say_what_is_left_out(store: Path, use: Callable[[Path], None]) -> None:
    part_of(store, "scalars").unlink()
    assert_pages_of_beta(store, use, [ALPHA, "scalars", "is missing"], ["runs"])
    assert ALPHA not in warnings(store, use, "curves", BETA)
    assert "scalars" in warnings(store, use, "curves", ALPHA)
    listed = {row["run"]: row["grokking"] for row in json.loads(call("runs", "--json").stdout)}
    assert (listed[ALPHA], listed[BETA]) == ("cannot be read", "train never learned")
    assert "the table scalars of this run is damaged" in call("show", ALPHA).stdout


def test_a_file_that_is_put_back_is_read_again(store: Path) -> None:
    part = part_of(store, "scalars")
    opened, whole = Store(store), part.read_bytes()
    part.unlink()
    asked = "SELECT count(*) AS n FROM scalars WHERE run = 'alpha'"
    left = opened.sql(asked)["n"][0].as_py()
    before = opened.current().version
    part.write_bytes(whole)
    assert (left, opened.sql(asked)["n"][0].as_py() > 0) == (0, True)
    assert opened.current().version != before
    assert not opened.damage


@pytest.mark.slow
def test_typed_sql_is_answered_without_what_it_finds_damaged(store: Path) -> None:
    """A flip inside a part shows only when its page is read; DuckDB itself answers from it."""
    sandbox = Sandbox(Store(store).current(), spare=False)
    PART["flip in a page"](part_of(store, "tensors"))
    asked = "SELECT run, count(section), min(attempt), count(l2) FROM tensors GROUP BY run"
    assert sandbox.run(asked, Limits(timeout_s=60)).table["run"].to_pylist() == [BETA]


def test_a_rebuild_that_is_killed_leaves_the_old_tables(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tables(store)
    monkeypatch.setattr("etl.ingest.rebuild.put_pointer", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        rebuild(ALPHA, Files(store))
    monkeypatch.undo()
    assert tables(store) == before


def test_a_rebuild_keeps_what_the_folder_has_no_more(tmp_path: Path) -> None:
    """Rows of a snapshot that was thinned away, and the differences of the next one to it."""
    run = make_run(tmp_path / "thinned", steps=(0, 10, 20, 30), layers=1, heads=1, width=4)
    ingest([run], tmp_path / "store")
    (run / "step_000010.bin").unlink()
    ingest([run], tmp_path / "store")
    before = tables(tmp_path / "store")
    (report,) = rebuild("thinned", Files(tmp_path / "store"))
    assert not report.lost
    assert tables(tmp_path / "store") == before
    assert {row["step"] for row in before["tensors"]} == {"0", "10", "20", "30"}
