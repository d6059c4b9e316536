"""Whose page is made next: a few at a time, and first for those who let the server rest before they asked.

Pages are made by threads of one interpreter, so thirty at once would each take thirty times as long. A reader looks
at a page before asking for the next; a program that wears the server down asks again at once, and comes after all
readers. All of this runs on the server's event loop, and needs no locks.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

PLACES: Final = 2
"""Pages that are made at once."""
PATIENCE_S: Final = 1.5
"""A page that takes longer has work of its own to wait for, a query or a process: it keeps no place."""
START_S: Final = 0.5
"""What is asked for and not begun by then (a part of a page that is gone, say) keeps no place either."""
HASTY_S: Final = 0.5
"""Who rests less before asking again is hasty; who asks for the first time is not."""
MOST_BESIDE_HASTY: Final = 4
"""Pages being made, with those that keep no place, beside which none is begun for the hasty."""
MOST_REST_S: Final = 5.0
"""More rest than this does not count."""
AGEING: Final = 0.02
"""How much a second of waiting counts, in seconds of rest: nobody waits for ever."""


@dataclass(eq=False)
class Visitor:
    """One connection: since when its page is asked for, whether it was begun, and when its last one was there."""

    since: float | None = None
    begun: bool = False
    ended: float | None = None

    def rest(self, now: float) -> float:
        """Seconds between the last page and now."""
        return HASTY_S if self.ended is None else min(now - self.ended, MOST_REST_S)

    def holds(self, now: float) -> bool:
        """Whether the visitor has a place."""
        return self.since is not None and now - self.since < (PATIENCE_S if self.begun else START_S)


@dataclass(eq=False)
class Wish:
    """A visitor's wish for a page, with the rest before it."""

    visitor: Visitor
    asked: float
    rest: float
    turn: asyncio.Future[None]

    def weight(self, now: float) -> float:
        return self.rest + AGEING * (now - self.asked)


class Turns:
    """The places, and the visitors that wait for one."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self._running: set[Visitor] = set()
        self._waiting: list[Wish] = []

    @staticmethod
    def visitor() -> Visitor:
        return Visitor()

    async def begin(self, visitor: Visitor) -> None:
        """Waits until the visitor's page may be made. One whose last page is not ready yet keeps that place, unless
        somebody waits."""
        now = time.monotonic()
        wish = Wish(visitor, now, visitor.rest(now), asyncio.get_running_loop().create_future())
        if visitor in self._running and not self._waiting:
            self._start(wish)
            return
        self._waiting.append(wish)
        self._next()
        try:
            await wish.turn
        finally:
            if wish in self._waiting:
                self._waiting.remove(wish)

    def begun(self, visitor: Visitor) -> None:
        """The visitor's page is being made; also one that nobody asked for, where the last went on to another."""
        if visitor.since is None:
            visitor.since = time.monotonic()
            self._running.add(visitor)
        visitor.begun = True

    def end(self, visitor: Visitor) -> None:
        """The visitor's page is there, or he is gone, with whatever he had asked for."""
        visitor.since, visitor.ended = None, time.monotonic()
        self._running.discard(visitor)
        self._next()

    def _next(self) -> None:
        now = time.monotonic()
        self._running = {visitor for visitor in self._running if visitor.begun or visitor.holds(now)}
        while self._waiting and sum(visitor.holds(now) for visitor in self._running) < self._places:
            first = max(self._waiting, key=lambda wish: wish.weight(now))
            if first.rest < HASTY_S and len(self._running) >= MOST_BESIDE_HASTY:
                return
            self._waiting.remove(first)
            self._start(first)

    def _start(self, wish: Wish) -> None:
        wish.visitor.since, wish.visitor.begun = time.monotonic(), False
        self._running.add(wish.visitor)
        for seconds in (START_S, PATIENCE_S):  # it may lose its place without a word
            asyncio.get_running_loop().call_later(seconds, self._next)
        if not wish.turn.done():
            wish.turn.set_result(None)
