"""The order of names with numbers in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strobe.views.ordering import natural


def test_numbers_in_names_count_as_numbers() -> None:
    names = ["h.10.w", "h.2.w", "h.0.w", "h.1.w", "h.1.b", "head", "h.2.10", "h.2.9", "h", "10", "9"]
    assert sorted(names, key=natural) == [
        "9", "10", "h", "h.0.w", "h.1.b", "h.1.w", "h.2.9", "h.2.10", "h.2.w", "h.10.w", "head",
    ]  # fmt: skip


@given(st.lists(st.integers(0, 10**30)))
def test_whole_numbers_stand_in_their_order(numbers: list[int]) -> None:
    assert sorted(map(str, numbers), key=natural) == list(map(str, sorted(numbers)))


@given(st.lists(st.text(), min_size=1))
def test_every_name_has_a_place(names: list[str]) -> None:
    assert sorted(sorted(names, key=natural)) == sorted(names)


def test_digits_beyond_what_python_converts() -> None:
    assert natural("w" + "9" * 5000) < natural("w1" + "0" * 5000)
