"""The budget holds whatever is asked for, and what several ask for at once is made once."""

from __future__ import annotations

import random
import threading
import time
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strobe.ui.shell.shared_cache import ENTRY_SHARE, Filling, SharedCache
from strobe.ui.shell.sizes import size_of

KB = 1000


def blob(size: int) -> bytes:
    return bytes(size)


def filled(cache: SharedCache, sizes: dict[str, int]) -> SharedCache:
    for key, size in sizes.items():
        cache.get(key, partial(blob, size))
    return cache


def test_a_value_is_made_once_and_the_least_recently_used_goes_first() -> None:
    cache = filled(SharedCache(5 * KB), dict.fromkeys("abcd", KB))
    first = cache.get("a", lambda: pytest.fail("it is kept"))
    filled(cache, {"e": KB})
    assert cache.get("a", lambda: pytest.fail("it was used last")) is first
    assert "b" not in cache
    assert len(cache) == 4


def test_the_budget_holds_under_a_thousand_random_inserts() -> None:
    draw, cache = random.Random(0), SharedCache(64 * KB)
    kept_once = 0
    for _ in range(1000):
        key, size = draw.randrange(80), draw.choice([10, 300, 2 * KB, 9 * KB, 30 * KB])
        value = cache.get(key, partial(blob, size), kind=str(size))
        assert cache.bytes <= cache.budget
        kept_once += cache.get(key, partial(blob, size)) is value
        if draw.random() < 0.1:
            cache.put(draw.randrange(80), blob(size))
        assert 0 <= cache.bytes <= cache.budget
    held = sum(size_of(value) for value in cache.known(range(80)).values())
    assert held == cache.bytes
    assert kept_once > 700


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3 * KB), st.sampled_from(["get", "put", "fill", "clear"])))
)
def test_what_is_counted_is_what_is_held(does: list[tuple[int, int, str]]) -> None:
    cache = SharedCache(8 * KB)
    for key, size, what in does:
        if what == "get":
            cache.get(key, partial(blob, size))
        elif what == "put":
            cache.put(key, blob(size))
        elif what == "clear":
            cache.clear(lambda known, key=key: known == key)
        else:
            whole = ("filled", key)
            filling = cache.get(whole, lambda whole=whole: Filling(partial(cache.grew, whole)))
            filling[size % 5] = blob(size)
            assert len(filling[size % 5]) == size
        assert 0 <= cache.bytes <= cache.budget
    cache.clear()
    assert (cache.bytes, len(cache)) == (0, 0)


def test_what_would_push_everything_out_is_given_and_not_kept() -> None:
    cache = filled(SharedCache(40 * KB), {"small": KB})
    large = cache.get("large", partial(blob, 40 * KB // ENTRY_SHARE + 1))
    assert len(large) == 10 * KB + 1
    assert "large" not in cache
    assert "small" in cache
    filling = cache.get("filled", lambda: Filling(partial(cache.grew, "filled")))
    for step in range(12):
        filling[step] = blob(KB)
    assert "filled" not in cache
    assert len(filling) == 12
    assert "small" in cache


def together(cache: SharedCache, make: Any, visitors: int = 8) -> list[Any]:
    """What each visitor gets who asks for one key at the same time."""
    got: list[Any] = [None] * visitors
    barrier = threading.Barrier(visitors)

    def ask(k: int) -> None:
        barrier.wait()
        try:
            got[k] = cache.get("key", make)
        except BaseException as error:
            got[k] = error

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_who_asks_for_what_is_under_way_waits_for_it() -> None:
    made: list[object] = []

    def make() -> object:
        time.sleep(0.05)
        made.append(object())
        return made[-1]

    assert set(together(SharedCache(KB), make)) == set(made)
    assert len(made) == 1


def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    cache, tries = SharedCache(KB), []

    def fail() -> None:
        tries.append(1)
        time.sleep(0.05)
        raise ValueError("no")

    assert all(isinstance(error, ValueError) for error in together(cache, fail))
    assert len(tries) == 1
    assert cache.get("key", lambda: 5) == 5


class Ended(BaseException):
    """A visitor left while a page was made."""


def test_a_visitor_who_leaves_takes_nothing_from_the_others() -> None:
    tries: list[int] = []

    def leave_first() -> str:
        tries.append(1)
        time.sleep(0.05)
        if len(tries) == 1:
            raise Ended
        return "made"

    got = together(SharedCache(KB), leave_first)
    assert [isinstance(one, Ended) for one in got].count(True) == 1
    assert got.count("made") == 7
    assert len(tries) == 2


def test_what_is_under_way_counts() -> None:
    cache = filled(SharedCache(8 * KB), {"a": KB, "b": KB, "c": KB})
    cache.get("one of its kind", partial(blob, 1900), kind="curve")
    assert len(cache) == 4
    during = []

    def make() -> bytes:
        during.append((cache.bytes, len(cache)))
        return cache.get("inside", lambda: (during.append((cache.bytes, len(cache))), blob(1900))[1], kind="curve")

    cache.get("another", make, kind="curve")
    assert [held <= cache.budget for held, _ in during] == [True, True]
    assert during[1][1] < during[0][1] <= 4


def test_memory_is_given_back_after_much_was_let_go() -> None:
    calls: list[int] = []
    cache = SharedCache(80 * KB, lambda: calls.append(cache.bytes))
    for k in range(80):
        cache.get(k, partial(blob, KB))
    assert not calls
    for k in range(80, 110):
        cache.get(k, partial(blob, KB))
    assert 2 <= len(calls) <= 3
