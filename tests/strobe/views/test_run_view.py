"""The one rule for which snapshot stands at the cursor, and what a view of a run is known by."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.checkpoints.run import open_run
from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views.run_view import Answer, CatalogueTables, RunView, index_at_or_before, literal, snapshot_steps
from tests.support import planted

STEPS = (100, 200, 400)
ascending = st.lists(st.integers(0, 10**6), unique=True).map(sorted)


class Nowhere:
    """Tables of a store and a version, with no run in them."""

    def __init__(self, store: str = "store", version: str = "1") -> None:
        self.key = (store, version)

    def ask(self, sql: str) -> Answer:
        raise AssertionError(sql)

    def run(self, run: str) -> Any:
        raise StrobeError(f"there is no run {run!r}")


def view(steps: Sequence[int] = STEPS, shift: int = 0) -> RunView:
    return RunView(Nowhere(), "r", tuple(steps), shift)


def linear(steps: Sequence[int], step: int) -> int:
    """The rule, said slowly: walk to the last step that is not later; the first where all are."""
    at = 0
    for k, other in enumerate(steps):
        if other <= step:
            at = k
    return at


@pytest.mark.parametrize(
    ("step", "shown"), [(0, 100), (99, 100), (100, 100), (101, 100), (399, 200), (400, 400), (10**9, 400)]
)
def test_the_snapshot_at_or_before_the_cursor(step: int, shown: int) -> None:
    assert view().at_or_before(step) == shown
    assert STEPS[index_at_or_before(STEPS, step)] == shown


@pytest.mark.parametrize(
    ("step", "shift", "shown"), [(100, 99, 100), (100, 100, 200), (400, -1, 200), (400, -301, 100), (0, 900, 400)]
)
def test_a_shifted_run_is_looked_at_ahead_of_the_cursor(step: int, shift: int, shown: int) -> None:
    assert view(shift=shift).at_or_before(step) == shown


def test_without_snapshots_the_step_itself_is_shown() -> None:
    assert view(()).at_or_before(123) == 123
    assert view((), shift=7).at_or_before(123) == 130
    assert index_at_or_before((), 123) == 0


@given(ascending, st.integers(-10, 10**6 + 10), st.integers(-(10**6), 10**6))
def test_it_is_what_a_linear_search_finds(steps: list[int], step: int, shift: int) -> None:
    assert index_at_or_before(steps, step) == linear(steps, step)
    if steps:
        assert view(steps, shift).at_or_before(step) == steps[linear(steps, step + shift)]


@given(ascending.filter(bool), st.data())
def test_a_step_that_has_a_snapshot_is_shown_itself(steps: list[int], data: st.DataObject) -> None:
    step = data.draw(st.sampled_from(steps))
    assert view(steps).at_or_before(step) == step


def test_the_key_is_the_run_in_its_store_wherever_it_is_looked_at() -> None:
    one = view()
    assert one.key == ("store", "1", "r")
    assert one.shifted(5).key == replace(one, steps=(), title="named").key == one.key
    others = [replace(one, run="s"), *(replace(one, tables=Nowhere(*key)) for key in (("else", "1"), ("store", "2")))]
    assert len({one.key, *(other.key for other in others)}) == 4


def test_shifted_changes_the_shift_alone() -> None:
    one = RunView(Nowhere(), "r", STEPS, 3, "its title")
    assert one.shifted(5) == replace(one, shift=5)
    assert one.shift == 3


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_text_is_one_literal_whatever_is_in_it(text: str) -> None:
    assert duckdb.sql(f"SELECT {literal(text)}").fetchall() == [(text,)]


def test_quotes_are_doubled_and_numbers_keep_their_digits() -> None:
    assert literal("it's 'so'") == "'it''s ''so'''"
    assert literal(0.1 + 0.2) == "0.30000000000000004"
    assert literal(-7) == "-7"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    ingest([planted.run_folder(tmp_path / "run")], tmp_path / "store")
    return tmp_path / "store"


def stored(store: Path) -> RunView:
    tables = CatalogueTables(Store(store).current(), str(store))
    return RunView(tables, "planted", snapshot_steps(tables, "planted"))


def test_a_recorded_run(store: Path) -> None:
    one = stored(store)
    assert one.steps == (0, 100, 200)
    assert one.key == (str(store), Store(store).current().version, "planted")
    assert {entry["name"] for entry in one.tensor_entries()} >= {"params/wte", "attention/att", "probe/tokens"}
    assert one.modulus() == planted.P
    assert one.rows("SELECT 1 AS n") == [{"n": 1}]
    answer = one.tables.ask("SELECT 2 AS n")
    assert (answer.sql, answer.key, answer.seconds > 0) == ("SELECT 2 AS n", one.tables.key, True)


def test_a_folder_that_is_gone_is_none_and_its_tables_stay(store: Path) -> None:
    one = stored(store)
    assert one.snapshots() is not None
    shutil.rmtree(store.parent / "run")
    assert one.snapshots() is None
    assert (one.tensor_entries(), one.modulus(), one.steps) == ([], None, (0, 100, 200))


def test_a_run_that_is_not_there_has_no_snapshots() -> None:
    assert view().snapshots() is None
    assert view().modulus() is None


@pytest.mark.parametrize(
    "task",
    [{}, {"kind": "text", "modulus": 13}, planted.ADDING | {"modulus": 2}, planted.ADDING | {"modulus": 13.0}],
    ids=["no task", "another task", "too small", "no integer"],
)
def test_other_tasks_have_no_modulus(tmp_path: Path, task: dict[str, Any]) -> None:
    recorded = SimpleNamespace(recording=partial(open_run, planted.run_folder(tmp_path / "run", (0,), task)))
    tables = Nowhere()
    tables.run = lambda run: recorded
    one = RunView(tables, "planted")
    assert one.snapshots() is not None
    assert one.modulus() is None
