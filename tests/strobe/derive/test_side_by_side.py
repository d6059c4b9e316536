"""Work by threads gives what `map` gives, takes few items early, and ends at the first error."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from strobe.derive.side_by_side import side_by_side


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_it_gives_what_map_gives_in_its_order(threads: int) -> None:
    assert list(side_by_side(str, range(40), threads)) == [str(number) for number in range(40)]
    assert list(side_by_side(str, [], threads)) == []


def test_few_items_are_taken_before_their_turn() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    for used, _ in enumerate(side_by_side(str, items(), 2), start=1):
        assert taken <= used + 2


def test_two_run_at_once() -> None:
    both = threading.Barrier(2, timeout=30)
    assert len(set(side_by_side(lambda _: both.wait(), range(2), 2))) == 2


def test_an_error_is_raised_at_its_place() -> None:
    results = side_by_side(lambda number: 6 // (3 - number), range(10), 2)
    assert [next(results) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
