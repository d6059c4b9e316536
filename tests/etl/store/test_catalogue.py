"""The tables of one run do not know that another grew, and a version lives as long as somebody may read it."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest

from etl.store import catalogue, pointer
from etl.store.catalogue import Store
from etl.store.compact import compact
from etl.store.database import Database
from etl.store.files import Files
from etl.store.manage import remove_run
from etl.store.pointer import Pointer, forget_versions_before, read_pointer, remove_unnamed
from etl.store.relations import ChangedError
from tests.support.rows_store import grow

STEPS = "SELECT step FROM scalars ORDER BY step"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for run in ("a", "b", "c"):
        grow(tmp_path / "store", run, 1)
    return tmp_path / "store"


def test_a_run_is_the_same_catalogue_while_another_grows(store: Path) -> None:
    opened = Store(store)
    before, whole = opened.current().of("a"), opened.current().version
    grow(store, "b", 2)
    after = opened.current()
    assert after.of("a") is before
    assert after.version != whole
    assert after.of("b").query(STEPS)["step"].to_pylist() == [1, 2]
    grow(store, "a", 2)
    assert opened.current().of("a") is not before
    assert opened.current().of("a").version != before.version


def test_only_its_own_rows_are_in_it(store: Path) -> None:
    grow(store, "b", 2, 3)
    current = Store(store).current()
    assert current.of("b").query("SELECT DISTINCT run FROM scalars_all")["run"].to_pylist() == ["b"]
    assert current.of("b", "a").query("SELECT run FROM runs ORDER BY run")["run"].to_pylist() == ["a", "b"]
    assert current.of("nobody").query(STEPS).num_rows == 0
    assert current.of("a", "b").of("b") is current.of("b")


def test_only_changed_pointers_are_read_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, read = Store(store), []
    monkeypatch.setattr(catalogue, "read_pointer", lambda files, run: read.append(run) or read_pointer(files, run))
    opened.current()
    assert sorted(read) == ["a", "b", "c"]
    read.clear()
    grow(store, "b", 2)
    opened.current()
    assert opened.current() is opened.current()
    assert read == ["b"]


def test_only_parts_of_changed_runs_are_looked_at_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Store(store)
    assert opened.current().damage == []
    looked: list[str] = []
    amiss = Files.amiss
    monkeypatch.setattr(Files, "amiss", lambda self, path, size: looked.append(path) or amiss(self, path, size))
    grow(store, "b", 2)
    assert opened.current().damage == []
    assert looked
    assert all("run=b" in path for path in looked)


def test_damage_of_runs_that_do_not_change_stays_known_until_it_is_mended(store: Path) -> None:
    opened = Store(store)
    part = store / opened.current().pointer("a")[1].tables["scalars"][0].file
    aside = part.rename(part.with_suffix(".aside"))
    opened = Store(store)
    assert [damage.run for damage in opened.current().damage] == ["a"]
    grow(store, "b", 2)
    assert [damage.run for damage in opened.current().damage] == ["a"]
    aside.rename(part)
    grow(store, "b", 3)
    assert opened.current().damage == []


def test_views_are_made_for_the_tables_that_a_statement_names(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    define = Database.define

    def noted(self: Database, sql: str, schema: str = "main") -> None:
        made.append(sql)
        define(self, sql, schema)

    monkeypatch.setattr(Database, "define", noted)
    opened = Store(store)
    for run in ("a", "b"):
        opened.current().of(run).query(STEPS)
    views = [sql.split()[4] for sql in made if " VIEW " in sql]
    assert views == ["scalars"] * 2, "no attempt was cut"
    made.clear()
    opened.current().of("a").query("SELECT count(*) FROM Runs, scalars_all, SCALARS")
    assert [sql.split()[4] for sql in made] == ["runs", "scalars_all"]
    made.clear()
    grow(store, "b", 2)
    opened.current().of("a").query(STEPS)
    assert made == []


def test_whoever_asks_which_tables_there_are_sees_all(store: Path) -> None:
    current = Store(store).current()
    for sql in ("SHOW TABLES", "SELECT table_name AS name FROM information_schema.tables WHERE table_name != 'runs'"):
        assert {"scalars", "tensors_all", "spectra"} & set(current.query(sql)["name"].to_pylist())


def test_whoever_asks_which_tables_there_are_sees_none_of_other_runs_and_stores(store: Path) -> None:
    current, other = Store(store).current(), Store(store).current()
    one = current.of("a")
    for asked in (one, other):
        asked.query(STEPS)
    for asked in (current, one):
        names = asked.query("SELECT table_name FROM information_schema.tables")["table_name"].to_pylist()
        assert sorted(names) == sorted(set(names))


def test_what_is_kept_of_versions_before_is_bounded(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_MOST_KEPT", 4)
    opened = Store(store)
    for step in range(2, 20):
        grow(store, "b", step)
        assert opened.current().of("b").query(STEPS).num_rows == step
    gc.collect()
    newest = opened.current().of("b")
    newest.query(STEPS)
    names = "SELECT count(DISTINCT schema_name) AS n FROM duckdb_schemas() WHERE schema_name LIKE 'parts_%'"
    assert newest.query(names)["n"][0].as_py() <= 5


def test_threads_ask_one_run_at_once(store: Path) -> None:
    opened, found = Store(store), []
    barrier = threading.Barrier(6)

    def ask(k: int) -> None:
        barrier.wait()
        found.append(opened.current().of("abc"[k % 3]).query(STEPS).num_rows)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 6


def test_a_version_is_read_after_the_commits_that_followed(store: Path) -> None:
    before = Store(store).current()
    for step in range(2, 60):
        grow(store, "a", step)
        remove_unnamed(Files(store), read_pointer(Files(store), "a"))
    compact(store, "a")
    assert before.query("SELECT count(*) AS n FROM scalars WHERE run = 'a'")["n"].to_pylist() == [1]
    assert before.of("a").query("SELECT steps FROM runs")["steps"].to_pylist() == [1]


def _parts(store: Path, run: str) -> int:
    return len(list(store.rglob(f"run={run}/*.parquet")))


def test_parts_of_versions_before_go_after_their_grace(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1e9
    monkeypatch.setattr(pointer.time, "time", lambda: now)
    for step in (2, 3):
        grow(store, "a", step)
    assert _parts(store, "a") == 6
    now += pointer.GRACE_S - 1
    assert remove_unnamed(Files(store), grow(store, "a", 4)) == 0
    now += 2
    last = read_pointer(Files(store), "a")
    assert remove_unnamed(Files(store), last) == 2
    assert remove_unnamed(Files(store), last) == 0
    grow(store, "a", 5)
    assert len(read_pointer(Files(store), "a").retired) == 2
    forget_versions_before(Files(store), "a")
    assert read_pointer(Files(store), "a").retired == {}
    assert _parts(store, "a") == len(last.files()) + 1


def test_a_clock_that_was_set_back_keeps_nothing_for_ever(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(store, "a", 2)
    monkeypatch.setattr(pointer.time, "time", lambda: 1.0)
    assert remove_unnamed(Files(store), read_pointer(Files(store), "a")) == 1


def test_a_pointer_says_what_it_named_before(store: Path) -> None:
    grown = grow(store, "a", 2)
    (file, at), *others = grown.retired.items()
    assert not others
    assert (store / file).is_file()
    assert file not in grown.files()
    again = Pointer.from_bytes(grown.to_bytes(), "a", "a")
    assert again == grown
    assert again.retired == {file: at}
    assert b"retired" not in Pointer("a").to_bytes()


def test_a_reader_whose_version_is_gone_asks_the_next_one(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Store(store)
    old = opened.current()
    grow(store, "a", 2)
    forget_versions_before(Files(store), "a")
    with pytest.raises(ChangedError, match="read it again"):
        old.query("SELECT * FROM runs")
    current, asked = opened.current, []
    monkeypatch.setattr(opened, "current", lambda: asked.append(1) or (old if len(asked) == 1 else current()))
    assert opened.sql("SELECT steps FROM runs WHERE run = 'a'")["steps"].to_pylist() == [2]
    assert len(asked) == 2


def test_what_no_later_version_has_either_is_left_out(store: Path) -> None:
    opened = Store(store)
    for part in store.glob("tables/scalars/run=a/*"):
        part.unlink()
    assert opened.sql("SELECT DISTINCT run FROM scalars ORDER BY run")["run"].to_pylist() == ["b", "c"]
    assert [(found.run, found.table, found.what) for found in opened.damage] == [("a", "scalars", "is missing")]
    assert opened.current().of("b").query(STEPS).num_rows == 1
    assert opened.runs().num_rows == 3


def test_a_removed_run_has_no_rows(store: Path) -> None:
    opened = Store(store)
    opened.current().of("a").query(STEPS)
    remove_run(Files(store), "a")
    assert opened.current().of("a").query(STEPS).num_rows == 0
    assert opened.current().names() == ["b", "c"]
