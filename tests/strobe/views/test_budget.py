"""What fits a budget: never more than it, always both ends, and what was asked for."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strobe.views.budget import MOST_BYTES, MOST_MOVED, MOST_ROWS, even_rows, evenly, window

ascending = st.lists(st.integers(0, 10**6), unique=True, max_size=300).map(sorted)


def test_as_many_as_fit_are_all() -> None:
    assert evenly([], 2) == []
    assert evenly([3, 5, 9], 3) == [3, 5, 9]
    assert evenly(range(0, 101, 10), 3) == [0, 50, 100]


@given(ascending, st.integers(2, 400))
def test_some_of_the_steps_with_both_ends(steps: list[int], most: int) -> None:
    some = evenly(steps, most)
    assert len(some) == min(len(steps), most)
    assert set(some) <= set(steps)
    assert some == sorted(set(some)), "ascending, none twice"
    assert some[:1] == steps[:1]
    assert some[-1:] == steps[-1:]


@given(st.integers(3, 2000), st.integers(2, 300))
def test_gaps_differ_by_one_at_most(total: int, most: int) -> None:
    some = evenly(range(total), most)
    gaps = {after - before for before, after in pairwise(some)}
    assert max(gaps) - min(gaps) <= 1


def test_rows_of_an_embedding() -> None:
    assert even_rows(5) == [0, 1, 2, 3, 4]
    assert even_rows(MOST_ROWS) == list(range(MOST_ROWS))
    assert len(even_rows(MOST_ROWS + 1)) == MOST_ROWS
    assert even_rows(0) == []


@given(st.integers(1, 60_000), st.integers(2, 3000))
def test_rows_keep_both_ends_and_the_budget(total: int, most: int) -> None:
    rows = even_rows(total, most)
    assert len(rows) == min(total, most)
    assert (rows[0], rows[-1]) == (0, total - 1)
    assert rows == sorted(set(rows))


@pytest.mark.parametrize(("more", "whole"), [(0, True), (1, False)])
def test_a_window_is_whole_up_to_the_budget(more: int, whole: bool) -> None:
    steps = list(range(0, 800, 100))
    found = window(steps, 300, MOST_BYTES // 8 + more)
    assert found.whole == whole
    assert (found.steps == steps) == whole


def test_a_frame_larger_than_the_budget_comes_alone() -> None:
    assert window([0, 100, 200], 150, MOST_BYTES) == ([100], False)


@given(ascending.filter(bool), st.integers(0, 10**6), st.integers(1, MOST_BYTES))
def test_a_window_holds_the_asked_step_within_its_budget(steps: list[int], asked: int, each: int) -> None:
    found = window(steps, asked, each)
    at = max((k for k, step in enumerate(steps) if step <= asked), default=0)
    assert steps[at] in found.steps
    first = steps.index(found.steps[0])
    assert found.steps == steps[first : first + len(found.steps)], "consecutive"
    if found.whole:
        assert (found.steps, len(steps) * each <= MOST_BYTES) == (steps, True)
    else:
        assert len(found.steps) == min(len(steps), max(1, MOST_MOVED // each))


@pytest.mark.parametrize("each", [100_000, 300_000, 1_000_000])
def test_both_ends_are_reached_and_a_short_walk_stays_inside(each: int) -> None:
    steps = list(range(0, 100_000, 100))
    assert window(steps, steps[0], each).steps[0] == steps[0]
    assert window(steps, steps[-1], each).steps[-1] == steps[-1]
    different = {tuple(window(steps, step, each).steps) for step in steps}
    assert len(different) <= len(steps) / max(1, MOST_MOVED // each // 2) + 1
