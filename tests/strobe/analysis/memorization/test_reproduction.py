"""Known answers of what is reproduced of a passage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strobe.analysis.memorization.reproduction import edit_distance, onsets, prompt_length, reproduction

_WORDS = st.lists(st.integers(0, 3), max_size=9)


@pytest.mark.parametrize(("right", "memorized"), [(12, True), (11, False), (20, True), (0, False)])
def test_sixty_percent_is_memorized(right: int, memorized: bool) -> None:
    found = reproduction([1] * right + [0] * (20 - right), [1] * 20)
    assert (found.memorized, found.exact_matches, found.tokens) == (memorized, right, 20)
    assert found.accuracy == right / 20


def test_a_continuation_that_is_shifted_by_one_is_two_edits_away() -> None:
    target = list(range(40))
    found = reproduction([99, *target[:-1]], target)
    assert (found.accuracy, found.edit_distance) == (0.0, 2)


def test_prefixes_are_of_the_first_tokens() -> None:
    found = reproduction([1] * 5 + [0] * 20, [1] * 25)
    assert found.prefixes == {5: 1.0, 10: 0.5, 20: 0.25, 50: None}


def slow_distance(a: list[int], b: list[int]) -> int:
    if not a or not b:
        return len(a) + len(b)
    return min(
        slow_distance(a[1:], b) + 1, slow_distance(a, b[1:]) + 1, slow_distance(a[1:], b[1:]) + (a[0] != b[0])
    )  # fmt: skip


@given(st.lists(st.integers(0, 2), max_size=5), st.lists(st.integers(0, 2), max_size=5))
def test_the_edit_distance_is_that_of_its_definition(a: list[int], b: list[int]) -> None:
    assert edit_distance(a, b) == slow_distance(a, b)


@given(_WORDS, _WORDS, _WORDS)
def test_the_edit_distance_is_a_distance(a: list[int], b: list[int], c: list[int]) -> None:
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)


def test_first_memorized_and_first_forgotten() -> None:
    table = np.array([[0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0]], bool)
    assert onsets([1, 5, 20, 50], table) == ([5, None, 1, 1], [50, None, None, 5])


def test_a_third_is_given() -> None:
    assert [prompt_length(n) for n in (3, 5, 128)] == [1, 1, 42]
    with pytest.raises(ValueError, match="no third"):
        prompt_length(2)
