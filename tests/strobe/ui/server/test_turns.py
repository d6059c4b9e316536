"""Whose page is made next."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from strobe.ui.server import turns
from strobe.ui.server.turns import Turns, Visitor


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(turns.time, "monotonic", lambda: now[0])
    return now


async def _asked(places: Turns, visitor: Visitor) -> asyncio.Task[Any]:
    """The visitor's wish, which is done once his turn came."""
    wish = asyncio.ensure_future(places.begin(visitor))
    for _ in range(4):
        await asyncio.sleep(0)
    return wish


def test_readers_come_before_the_hasty(clock: list[float]) -> None:
    async def told() -> list[bool]:
        places, busy, hasty, reader = Turns(1), Visitor(), Visitor(ended=clock[0]), Visitor(ended=clock[0] - 1.0)
        await places.begin(busy)
        wishes = [await _asked(places, hasty), await _asked(places, reader)]
        waiting = [wish.done() for wish in wishes]
        places.end(busy)
        await asyncio.sleep(0)
        return [*waiting, *(wish.done() for wish in wishes)]

    assert asyncio.run(told()) == [False, False, False, True]


def test_the_hasty_are_few_beside_pages_that_take_long(clock: list[float]) -> None:
    async def told() -> list[bool]:
        places = Turns(2)
        for _ in range(turns.MOST_BESIDE_HASTY):
            long = Visitor()
            await places.begin(long)
            places.begun(long)
            clock[0] += turns.PATIENCE_S
        hasty, reader = Visitor(ended=clock[0]), Visitor(ended=clock[0] - 1.0)
        wishes = [await _asked(places, hasty), await _asked(places, reader)]
        waits = [wish.done() for wish in wishes]
        places.end(long)
        places.end(reader)
        await asyncio.sleep(0)
        return [*waits, wishes[0].done()]

    assert asyncio.run(told()) == [False, True, True]


def test_nobody_waits_for_ever(clock: list[float]) -> None:
    async def told() -> bool:
        places, busy, hasty = Turns(1), Visitor(), Visitor(ended=clock[0])
        await places.begin(busy)
        patient = await _asked(places, hasty)
        clock[0] += turns.MOST_REST_S / turns.AGEING + 1
        places.begun(busy)
        await _asked(places, Visitor(ended=0.0))
        places.end(busy)
        await asyncio.sleep(0)
        return patient.done()

    assert asyncio.run(told())


def test_a_page_that_waits_for_something_else_keeps_no_place(clock: list[float]) -> None:
    async def told() -> list[bool]:
        places, slow, other = Turns(1), Visitor(), Visitor()
        await places.begin(slow)
        places.begun(slow)
        clock[0] += turns.START_S + 0.1
        first = await _asked(places, other)
        before = first.done()
        clock[0] += turns.PATIENCE_S
        places.end(Visitor())
        await asyncio.sleep(0)
        return [before, first.done()]

    assert asyncio.run(told()) == [False, True]


def test_what_is_never_begun_keeps_no_place(clock: list[float]) -> None:
    async def told() -> bool:
        places, other = Turns(1), Visitor()
        await places.begin(Visitor())
        clock[0] += turns.START_S + 0.01
        return (await _asked(places, other)).done()

    assert asyncio.run(told())


def test_a_visitor_asks_again_at_once_only_while_nobody_waits(clock: list[float]) -> None:
    async def told() -> list[bool]:
        places, hasty, other = Turns(1), Visitor(), Visitor()
        await places.begin(hasty)
        clock[0] += 0.2
        alone = await _asked(places, hasty)
        clock[0] += 0.2
        waiting = await _asked(places, other)
        again = await _asked(places, hasty)
        places.end(hasty)
        await asyncio.sleep(0)
        return [alone.done(), waiting.done(), again.done()]

    assert asyncio.run(told()) == [True, True, False]


def test_one_who_left_is_waited_for_by_nobody(clock: list[float]) -> None:
    del clock

    async def told() -> bool:
        places, first, gone, last = Turns(1), Visitor(), Visitor(), Visitor()
        await places.begin(first)
        wish = await _asked(places, gone)
        wish.cancel()
        waiting = await _asked(places, last)
        places.end(gone)
        places.end(first)
        await asyncio.sleep(0)
        return waiting.done()

    assert asyncio.run(told())
