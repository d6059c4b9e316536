"""What the one cache keeps apart: stores, versions, runs and arguments, but not the shift or the title of a view."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import streamlit as st

from strobe.ui.shell.cache import cached_by_run, filled, key_of, shared, slowly_cached_by_run
from strobe.views.run_view import Answer, RunView
from tests.support.places import ROOT


class Tables:
    """A store at a version; nothing is asked of it."""

    def __init__(self, store: str, version: str) -> None:
        self.key = (store, version)

    def of(self, *runs: str) -> Tables:
        raise AssertionError(runs)

    def ask(self, sql: str) -> Answer:
        raise AssertionError(sql)

    def once(self, sql: str) -> pa.Table:
        raise AssertionError(sql)

    def run(self, run: str) -> Any:
        raise AssertionError(run)


FIRST = RunView(Tables("store", "1"), "r", (0, 100))
made: list[tuple[Any, ...]] = []


@cached_by_run
def measured(view: RunView, tensor: str = "wte", layer: int = 0) -> list[Any]:
    made.append((view.run, tensor, layer))
    return [view.key, tensor, layer]


@cached_by_run
def elsewhere(view: RunView, tensor: str = "wte", layer: int = 0) -> list[Any]:
    made.append(("elsewhere",))
    return [view.key, tensor, layer]


@cached_by_run
def smoothed(answer: Answer, weight: float) -> float:
    made.append((answer.sql, weight))
    return weight


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    shared().clear()
    made.clear()
    yield
    shared().clear()


@pytest.mark.parametrize(
    "same",
    [
        FIRST,
        FIRST.shifted(300),
        replace(FIRST, steps=()),
        replace(FIRST, title="another name"),
        RunView(Tables("store", "1"), "r"),
    ],
    ids=["itself", "shifted", "other steps", "another title", "made again"],
)
def test_the_same_run_at_the_same_version_is_computed_once(same: RunView) -> None:
    assert measured(FIRST) is measured(same)
    assert len(made) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(FIRST, run="s"),
        replace(FIRST, tables=Tables("store", "2")),
        replace(FIRST, tables=Tables("elsewhere", "1")),
    ],
    ids=["another run", "a later version", "another store"],
)
def test_another_run_version_or_store_is_computed_anew(other: RunView) -> None:
    assert measured(FIRST)[0] == FIRST.key
    assert measured(other)[0] == other.key
    assert len(made) == 2


def test_arguments_and_functions_are_kept_apart() -> None:
    assert measured(FIRST, "wpe")[1:] == ["wpe", 0]
    assert measured(FIRST, "wpe", 1)[1:] == ["wpe", 1]
    assert measured(FIRST, "wpe", 1)[1:] == ["wpe", 1]
    assert elsewhere(FIRST, "wpe", 1)[1:] == ["wpe", 1]
    assert made == [("r", "wpe", 0), ("r", "wpe", 1), ("elsewhere",)]


def test_answers_are_the_same_by_their_sql_and_version() -> None:
    answer = Answer("SELECT 1", pa.table({"n": [1]}), 0.5, ("store", "1"))
    assert smoothed(answer, 0.9) == smoothed(replace(answer, seconds=9.0), 0.9)
    assert len(made) == 1
    for other in (replace(answer, sql="SELECT 2"), replace(answer, key=("store", "2"))):
        smoothed(other, 0.9)
    smoothed(answer, 0.5)
    assert len(made) == 4


@dataclass(frozen=True)
class Look:
    """An argument as pages have them."""

    name: str
    steps: list[int]


def test_arguments_count_by_what_they_say() -> None:
    assert key_of(Look("a", [1, 2])) == key_of(Look("a", [1, 2]))
    others = [Look("a", [1, 3]), Look("b", [1, 2]), ("a", [1, 2]), FIRST, FIRST.tables, Answer("a", pa.table({}))]
    assert len({key_of(other) for other in (Look("a", [1, 2]), *others)}) == 7
    assert key_of({"a": [1]}) != key_of({"a": [2]})
    with pytest.raises(TypeError):
        hash(key_of({1, 2}))


def test_what_a_visitor_may_clear_is_not_this() -> None:
    measured(FIRST)
    st.cache_resource.clear()
    st.cache_data.clear()
    measured(FIRST)
    assert len(made) == 1


def test_what_takes_a_while_is_kept_as_well() -> None:
    @slowly_cached_by_run("Waiting …")
    def slow(view: RunView) -> int:
        made.append((view.run,))
        return 1

    assert (slow(FIRST), slow(FIRST)) == (1, 1)
    assert len(made) == 1


def test_what_pages_fill_in_is_shared_and_counted() -> None:
    before = shared().bytes
    first = filled("picture", FIRST, "wte", 0)
    first[100] = np.zeros(1_000_000, np.uint8)
    first.update((step, b"x" * 1000) for step in (200, 300))
    assert filled("picture", FIRST.shifted(5), "wte", 0) is first
    assert filled("picture", FIRST, "wte", 1) == {}
    assert filled("spread", FIRST, "wte", 0) == {}
    assert list(first) == [100, 200, 300]
    assert 1_002_000 < shared().bytes - before < 1_010_000
    shared().clear()
    assert filled("picture", FIRST, "wte", 0) == {}


def test_there_is_no_other_cache() -> None:
    """What Streamlit keeps is bounded by counts, and any visitor may clear it."""
    for path in [*(ROOT / "strobe").rglob("*.py"), *(ROOT / "pages").glob("*.py")]:
        assert not re.search(r"st\.cache_(resource|data)\b", path.read_text()), path
