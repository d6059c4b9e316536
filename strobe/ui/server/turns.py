"""Whose page is made next: a few at a time, and first for those who had least of the server lately.

Pages are made by threads of one interpreter, so thirty at once would each take thirty times as long. All of this runs
on the server's event loop, and needs no locks.
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
HALF_LIFE_S: Final = 15.0
"""What a visitor used counts half after this time."""


@dataclass(eq=False)
class Visitor:
    """One connection: since when its page is asked for, whether it was begun, and how many seconds of the server the
    visitor had lately."""

    since: float | None = None
    begun: bool = False
    used: float = 0.0
    as_of: float = 0.0

    def lately(self, now: float) -> float:
        """Seconds of pages made, each half as much with every half-life past."""
        return float(self.used * 0.5 ** ((now - self.as_of) / HALF_LIFE_S))

    def holds(self, now: float) -> bool:
        """Whether the visitor has a place."""
        return self.since is not None and now - self.since < (PATIENCE_S if self.begun else START_S)

    def charge(self, now: float) -> None:
        """Counts the page that is being made up to now."""
        spent = 0.0 if self.since is None else min(now - self.since, PATIENCE_S)
        self.used, self.as_of = self.lately(now) + spent, now


class Turns:
    """The places, and the visitors that wait for one."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self._running: set[Visitor] = set()
        self._waiting: list[tuple[Visitor, asyncio.Future[None]]] = []

    @staticmethod
    def visitor() -> Visitor:
        return Visitor()

    async def begin(self, visitor: Visitor) -> None:
        """Waits until the visitor's page may be made. One whose last page is not ready yet keeps that place, unless
        somebody waits."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if visitor in self._running and not self._waiting:
            self._start(visitor, turn)
            return
        self._waiting.append((visitor, turn))
        self._next()
        try:
            await turn
        finally:
            self._waiting = [entry for entry in self._waiting if entry[1] is not turn]

    def begun(self, visitor: Visitor) -> None:
        """The visitor's page is being made; also one that nobody asked for, where the last went on to another."""
        if visitor.since is None:
            visitor.charge(time.monotonic())
            visitor.since = visitor.as_of
            self._running.add(visitor)
        visitor.begun = True

    def end(self, visitor: Visitor) -> None:
        """The visitor's page is there."""
        visitor.charge(time.monotonic())
        visitor.since = None
        self._running.discard(visitor)
        self._next()

    def leave(self, visitor: Visitor) -> None:
        """The visitor is gone, with whatever he had asked for."""
        self.end(visitor)

    def _next(self) -> None:
        now = time.monotonic()
        while self._waiting and self._taken(now) < self._places:
            first = min(self._waiting, key=lambda entry: entry[0].lately(now))
            self._waiting.remove(first)
            self._start(*first)

    def _taken(self, now: float) -> int:
        return sum(visitor.holds(now) for visitor in self._running)

    def _start(self, visitor: Visitor, turn: asyncio.Future[None]) -> None:
        now = time.monotonic()
        visitor.charge(now)
        visitor.since, visitor.begun = now, False
        self._running.add(visitor)
        for seconds in (START_S, PATIENCE_S):  # it may lose its place without a word
            asyncio.get_running_loop().call_later(seconds, self._next)
        if not turn.done():
            turn.set_result(None)
