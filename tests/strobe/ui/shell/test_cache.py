"""What the one cache keeps apart: stores, versions, runs and arguments, but not the shift or the title of a view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from strobe.ui.shell.cache import cached_by_run
from strobe.views.run_view import Answer, RunView


class Tables:
    """A store at a version; nothing is asked of it."""

    def __init__(self, store: str, version: str) -> None:
        self.key = (store, version)

    def ask(self, sql: str) -> Answer:
        raise AssertionError(sql)

    def run(self, run: str) -> Any:
        raise AssertionError(run)


FIRST = RunView(Tables("store", "1"), "r", (0, 100))
made: list[tuple[Any, ...]] = []


@cached_by_run(max_entries=16)
def measured(view: RunView, tensor: str = "wte", layer: int = 0) -> list[Any]:
    made.append((view.run, tensor, layer))
    return [view.key, tensor, layer]


@cached_by_run(max_entries=16)
def elsewhere(view: RunView, tensor: str = "wte", layer: int = 0) -> list[Any]:
    made.append(("elsewhere",))
    return [view.key, tensor, layer]


@cached_by_run(max_entries=16)
def smoothed(answer: Answer, weight: float) -> float:
    made.append((answer.sql, weight))
    return weight


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    for kept in (measured, elsewhere, smoothed):
        kept.clear()
    made.clear()
    yield
    made.clear()


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


def test_no_more_is_kept_than_was_said() -> None:
    @cached_by_run(max_entries=2)
    def few(view: RunView, layer: int) -> int:
        made.append((layer,))
        return layer

    for layer in (0, 1, 2, 2, 0):
        assert few(FIRST, layer) == layer
    assert [layer for (layer,) in made] == [0, 1, 2, 0]
