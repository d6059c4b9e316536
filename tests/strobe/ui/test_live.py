"""Pages of finished runs while another run grows, and a run of many steps by many addresses."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from etl.ingest.load import ingest
from etl.store.files import Files
from etl.store.pointer import forget_versions_before
from etl.store.relations import Relations
from strobe.ui.shell.cache import shared
from strobe.ui.shell.reader import Reader
from strobe.views.curves import Curve, Range, Smoothing, metric_row, read
from tests.support.app_store import grokking
from tests.support.live import Visits, crowd, growing_run, listener, long_run, memory_mb, trickle
from tests.support.make_run import make_run
from tests.support.places import ROOT
from tests.support.rows_store import grow
from tests.support.served import served
from tests.support.visitors import session, visit

STEPS = "SELECT step FROM scalars ORDER BY step"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[str], str]]:
    """Which runs each query could see, and its text; the example is not attached."""
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    made: list[tuple[set[str], str]] = []
    query = Relations.query

    def noted(self: Relations, sql: str, params: object = None) -> object:
        made.append(({entry.pointer.run for entry in self._entries}, sql))
        return query(self, sql, params)

    monkeypatch.setattr(Relations, "query", noted)
    return made


def reader(store: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setenv("STROBE_STORE", str(store))
    return Reader.newest()


@pytest.mark.parametrize("page", ["curves", "runs"])
def test_a_warm_page_asks_nothing_of_its_run_after_another_grew(
    page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: list[tuple[set[str], str]]
) -> None:
    store = grokking(tmp_path)
    grow(store, "b", 1)
    monkeypatch.setenv("STROBE_STORE", str(store))
    at = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60)
    at.query_params["run"] = "grok-a"
    at.run()
    assert not at.exception
    assert any("grok-a" in runs for runs, _ in asked)
    asked.clear()
    at.run()
    assert asked == []
    grow(store, "b", 2)
    at.run()
    assert not at.exception
    # The pointers tell what runs there are; Curves shows nothing else of the other run.
    others = {frozenset({"b"})} if page == "runs" else set()
    assert {frozenset(runs) for runs, _ in asked} == others


def test_keys_of_a_run_stay_while_another_grows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for run in ("a", "b"):
        grow(tmp_path / "store", run, 1)
    before = reader(tmp_path / "store", monkeypatch)
    answer = before.of("a").ask(STEPS)
    grow(tmp_path / "store", "b", 2)
    after = Reader.newest()
    assert after.key != before.key
    assert after.of("a").key == before.of("a").key
    assert after.of("a").ask(STEPS) is answer
    assert after.of("b").ask(STEPS).table["step"].to_pylist() == [1, 2]
    assert after.of("a", "b").key != before.of("a", "b").key


def test_lists_are_asked_again_of_the_runs_that_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: list[tuple[set[str], str]]
) -> None:
    for run in "cab":
        grow(tmp_path / "store", run, 1)
    sql, order = "SELECT run, steps FROM runs", [("steps", "descending"), ("run", "ascending")]
    first = reader(tmp_path / "store", monkeypatch).each(sql, order)
    assert first.table.to_pylist() == [{"run": run, "steps": 1} for run in "abc"]
    grow(tmp_path / "store", "b", 2)
    again = Reader.newest().each(sql, order)
    assert [runs for runs, _ in asked] == [{"a", "b", "c"}, {"b"}]
    assert again.table.to_pylist() == [{"run": "b", "steps": 2}, {"run": "a", "steps": 1}, {"run": "c", "steps": 1}]
    assert again.table.schema == first.table.schema


def test_the_list_of_runs_is_read_again_of_the_runs_that_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: list[tuple[set[str], str]]
) -> None:
    """Also where their rows are in parts alone, as those of many bytes and of stores from before are."""
    monkeypatch.setattr("etl.store.inline.MOST_BYTES", 0)
    for run in "cab":
        grow(tmp_path / "store", run, 1)
    first = reader(tmp_path / "store", monkeypatch).every_run()
    assert sorted(first["run"].to_pylist()) == ["a", "b", "c"]
    grow(tmp_path / "store", "b", 2)
    again = Reader.newest().every_run()
    assert [runs for runs, _ in asked] == [{"a", "b", "c"}, {"b"}]
    assert {row["run"]: row["steps"] for row in again.to_pylist()} == {"a": 1, "b": 2, "c": 1}
    assert again.schema == first.schema


def test_a_reader_whose_part_is_gone_asks_once_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = tmp_path / "store"
    grow(store, "a", 1)
    old = reader(store, monkeypatch)
    tables = old.of("a")
    grow(store, "a", 2)
    forget_versions_before(Files(store), "a")
    assert tables.ask("SELECT steps FROM runs").table["steps"].to_pylist() == [2]
    assert tables.key == Reader.newest().of("a").key


def test_an_aligned_curve_is_the_kept_one_shifted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long_run(tmp_path / "store", "long", 20_000)
    tables = reader(tmp_path / "store", monkeypatch).of("long")
    curve, smoothing = Curve("long", "val_loss", "test"), Smoothing("ema-0.9")
    row = metric_row(tables, curve)
    assert row is not None
    shared().clear()
    plain = read(tables, curve, Range(), smoothing, "long", row)
    held = shared().bytes
    for step in range(1000, 1070):
        aligned = read(tables, curve, Range(origin=float(step)), smoothing, "long", row)
        assert (aligned.raw.x == plain.raw.x - step).all()
        assert (aligned.raw.y == plain.raw.y).all()
        assert aligned.sql != plain.sql
    assert shared().bytes == held
    shown = tables.once(aligned.sql)
    assert shown["x"].to_pylist() == aligned.raw.x.tolist()
    window = read(tables, curve, Range(origin=1000.0, window=(0.0, 500.0)), Smoothing(), "long", row)
    assert (window.raw.x.min(), window.raw.x.max()) == (0, 500)


@pytest.mark.slow
def test_eight_sessions_beside_a_trickling_ingest(tmp_path: Path) -> None:
    """The times of both turns meet the same machine; `bench/live.py` measures longer and by a closer bar."""
    runs = [make_run(tmp_path / f"run-{k}", steps=range(0, 1501, 100), layers=1, vocab=97, seed=k) for k in range(3)]
    store = tmp_path / "store"
    ingest([*runs, growing_run(tmp_path / "grows")], store)
    pages = [(page, f"run=run-{k % 3}") for k, page in enumerate(("curves", "runs", "attention", "weights") * 2)]
    quiet, live = Visits(), Visits()
    with served(store) as address:
        with session(address) as first:
            for name, query in pages:
                visit(first, query, name)
        for into in (quiet, live, quiet, live):
            with crowd(address, pages, 1.5, into):
                if into is live:
                    with trickle(tmp_path / "grows", store):
                        time.sleep(20)
                else:
                    time.sleep(20)
    assert quiet.errors + live.errors == []
    assert len(live.seconds) > 20
    assert statistics.median(live.seconds) < 2 * statistics.median(quiet.seconds) + 0.3


@pytest.mark.slow
def test_addresses_alone_take_no_memory(tmp_path: Path) -> None:
    long_run(tmp_path / "store", "long", 1_000_000)
    with served(tmp_path / "store") as address:
        server = listener(int(address.rpartition(":")[2]))
        held = []
        for k in range(30):
            with session(address) as visitor:
                visit(visitor, f"run=long&smooth=ema-0.9&align=step&align_step={1000 + k}", "curves", timeout=300)
            held.append(memory_mb(server))
    assert held[-1] - held[9] < 150
