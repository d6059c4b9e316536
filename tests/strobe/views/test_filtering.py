"""Which of many rows are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strobe.views.filtering import matching, window, windows

NAMES = ["layers.0.attn.q", "layers.0.mlp.up", "layers.10.attn.q", "Head"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", NAMES), ("ATTN", [NAMES[0], NAMES[2]]), ("q layers.1", [NAMES[2]]), ("layers.*.q", [NAMES[0], NAMES[2]]),
        ("head", ["Head"]), ("*", NAMES), ("q*attn", []), ("[", []), ("nope", []),
    ],
)  # fmt: skip
def test_every_word_is_looked_for(text: str, found: list[str]) -> None:
    assert matching(NAMES, text) == found


@given(st.lists(st.text(), unique=True), st.integers(1, 20))
def test_the_windows_are_all_rows_once(names: list[str], most: int) -> None:
    every = windows(len(names), most)
    assert [name for which in every for name in window(names, which, most)] == names
    assert all(len(window(names, which, most)) <= most for which in every)


def test_a_window_that_is_gone_is_the_first() -> None:
    assert windows(250) == ["1-100", "101-200", "201-250"]
    assert window(list(map(str, range(250))), "201-250") == [*map(str, range(200, 250))]
    assert window(["a", "b"], "101-200") == ["a", "b"]
    assert windows(0) == []
    assert window([], "1-100") == []
