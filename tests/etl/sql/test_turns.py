"""Whose query runs next."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from etl.sql import turns
from etl.sql.turns import Asker, BusyError, Lane, Places, Ticket

WAITING = turns.MOST_WAITING["quick"]


@pytest.fixture
def threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WAITING + 5)


def taken(places: Places, name: str | None, lane: Lane = "quick") -> Ticket:
    ticket = Ticket(None if name is None else Asker(name), lane)
    places.take(ticket, 0.2, None)
    return ticket


def asked(threads: ThreadPoolExecutor, places: Places, ticket: Ticket, wait_s: float = 20.0) -> Future[None]:
    """The wish in a thread of its own, once it waits or has its place."""
    waits = threading.Event()
    future = threads.submit(places.take, ticket, wait_s, lambda _: waits.set())
    while not (waits.is_set() or future.done()):
        time.sleep(0.001)
    return future


def test_the_place_for_quick_ones_is_never_taken_by_a_long_one(threads: ThreadPoolExecutor) -> None:
    places = Places(2)
    long, waits = taken(places, "a", "long"), Ticket(Asker("b"), "long")
    other = asked(threads, places, waits)
    assert taken(places, "c").place != long.place
    assert not other.done()
    places.leave(long)
    other.result(5)


def test_a_query_that_outlives_its_slice_takes_the_free_place_for_long_ones() -> None:
    places = Places(2)
    heavy = taken(places, "a")
    assert places.may_go_on(heavy)
    assert places.lanes[heavy.place or 0] == "long"
    assert places.may_go_on(heavy)
    assert places.lanes[taken(places, "b").place or 0] == "quick"


def test_it_goes_on_where_it_is_until_somebody_waits(threads: ThreadPoolExecutor) -> None:
    places = Places(2)
    taken(places, "a", "long")
    heavy = taken(places, "b")
    assert places.may_go_on(heavy)
    quick = asked(threads, places, Ticket(Asker("c"), "quick"))
    assert not places.may_go_on(heavy)
    places.leave(heavy)
    quick.result(5)


def test_a_second_query_waits_behind_everybodys_first(threads: ThreadPoolExecutor) -> None:
    places = Places(1)
    places.leave(taken(places, "greedy"))
    held = taken(places, None, "any")
    second, first = Ticket(Asker("greedy"), "quick"), Ticket(Asker("modest"), "quick")
    wishes = [asked(threads, places, ticket) for ticket in (second, first)]
    places.leave(held)
    wishes[1].result(5)
    assert not wishes[0].done()
    places.leave(first)
    wishes[0].result(5)


def test_the_queue_is_short_and_keeps_those_who_had_least(threads: ThreadPoolExecutor) -> None:
    places = Places(1)
    for number in range(WAITING):
        places.leave(taken(places, f"old {number}"))
    places.leave(taken(places, f"old {WAITING - 1}"))
    held = taken(places, None, "any")
    wishes = [asked(threads, places, Ticket(Asker(f"old {k}"), "quick"), 2.0) for k in range(WAITING)]
    fresh = Ticket(Asker("new"), "quick")
    came = asked(threads, places, fresh)
    with pytest.raises(BusyError):
        wishes[-1].result(1)
    with pytest.raises(BusyError):
        places.take(Ticket(Asker(f"old {WAITING - 1}"), "quick"), 30.0, None)
    places.leave(held)
    came.result(5)
    places.leave(fresh)


def test_a_newcomer_waits_neither_for_all_nor_do_all_wait_for_newcomers(threads: ThreadPoolExecutor) -> None:
    places = Places(1)
    held = taken(places, None, "any")
    tickets = [Ticket(Asker(f"{number}"), "quick") for number in range(4)]
    wishes = [asked(threads, places, ticket) for ticket in tickets]
    order = []
    for _ in tickets:
        places.leave(held)
        (held,) = (ticket for ticket in tickets if ticket.place is not None)
        order.append(tickets.index(held))
        wishes[order[-1]].result(5)
    assert order in ([3, 0, 2, 1], [0, 3, 1, 2])


def test_visitors_of_one_address_share_its_turns(threads: ThreadPoolExecutor) -> None:
    places = Places(1)
    many, held = Asker("many 0", address="10.0.0.1"), Ticket(None, "any")
    places.take(first := Ticket(many, "quick"), 1.0, None)
    places.leave(first)
    places.take(held, 1.0, None)
    same = Ticket(Asker("many 1", address="10.0.0.1"), "quick")
    other = Ticket(Asker("one", address="10.0.0.2"), "quick")
    wishes = [asked(threads, places, ticket) for ticket in (other, same)]
    places.leave(held)
    wishes[0].result(5)
    assert not wishes[1].done()
    places.leave(other)
    wishes[1].result(5)


def test_a_query_whose_visitor_left_is_given_up(threads: ThreadPoolExecutor) -> None:
    places, here = Places(1), [True]
    held = taken(places, None, "any")
    gone = asked(threads, places, Ticket(Asker("a", lambda: here[0]), "quick"))
    here[0] = False
    with pytest.raises(BusyError):
        gone.result(5)
    places.leave(held)
    running = Ticket(Asker("a", lambda: here[0]), "quick")
    here[0] = True
    places.take(running, 1.0, None)
    here[0] = False
    assert not places.may_go_on(running)


def test_where_there_is_one_place_a_long_one_still_gets_its_turn(threads: ThreadPoolExecutor) -> None:
    places = Places(1)
    quick = taken(places, "a")
    long = Ticket(Asker("b"), "long")
    came = asked(threads, places, long)
    assert not places.may_go_on(quick)
    places.leave(quick)
    came.result(5)
    assert places.may_go_on(long)
