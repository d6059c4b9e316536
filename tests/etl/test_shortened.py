"""Cutting names to their place: in the middle, by few measurements."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etl.shortened import fitted, shortened


@given(st.text(), st.integers(0, 40), st.sampled_from(["…", "..."]))
def test_a_cut_name_is_short_enough_and_keeps_both_ends(name: str, most: int, mark: str) -> None:
    cut = shortened(name, most, mark)
    assert len(cut) <= most
    if len(name) <= most:
        assert cut == name
    elif most >= len(mark) + 2:
        head, _, tail = cut.partition(mark)
        assert name.startswith(head)
        assert name.endswith(tail)
        assert 0 <= len(head) - len(tail) <= 1 or mark in name


@given(st.text(max_size=60), st.integers(0, 80))
def test_the_longest_cut_that_fits_is_found(name: str, room: int) -> None:
    cut = fitted(name, lambda some: len(some) <= room)
    assert cut == shortened(name, room)


def test_names_that_differ_at_their_end_stay_apart() -> None:
    long = "model.layers." + 10_000 * "x"
    first, second = (fitted(long + end, lambda some: len(some) <= 20) for end in (".weight", ".bias"))
    assert first != second
    assert first.startswith("model.")


def test_few_questions_are_asked_however_long_a_name_is() -> None:
    asked: list[str] = []

    def fits(some: str) -> bool:
        asked.append(some)
        return len(some) <= 33

    assert len(fitted(100_000 * "x", fits)) == 33
    assert len(asked) <= 12
    assert max(map(len, asked)) <= 400
