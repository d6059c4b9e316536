"""Which query runs next: two places, a short queue, and turns that are fair among those who ask.

A query of a visitor runs for a moment first, in the place for quick ones. One that outlives it goes on in the place
for long ones, if that is free, or where it is while nobody waits; else it moves aside and starts again when a long
place is its turn. Whoever had less of the places lately comes first, he and all others of his address, so a second
query waits for everybody's first. Of those who had equally little, the first and the last who asked take turns: where
many strangers ask at once, a newcomer does not wait for all of them, nor they for all newcomers.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

SLICE_S: Final = 0.3
"""How long a query runs, after its child is ready, before it makes room for others that wait."""
MOST_WAITING: Final[dict[str, int]] = {"quick": 24, "long": 6}
"""Queries of visitors that wait at once. One more sends away the one whose visitor had most, which may be itself."""
LEAST_S: Final = 0.1
"""What a turn counts at least."""
HALF_LIFE_S: Final = 30.0
"""What a visitor had counts half after this time."""
_LOOK_S: Final = 0.5
"""Between two looks at whether a query that waits is still wanted."""

Lane = Literal["any", "quick", "long"]
Had = tuple[float, float]


class BusyError(Exception):
    """All places were taken for as long as the caller would wait, or too many wait already."""


@dataclass(frozen=True)
class Asker:
    """Who asks, and from where: queries of one name take turns with those of other names. A query that is not
    `wanted` any more is not begun, and one that runs is given up."""

    name: str
    wanted: Callable[[], bool] = lambda: True
    address: str = ""


@dataclass(eq=False)
class Ticket:
    """One query's wish for a place, and its place once it has one. In the lane "any" none is sent away."""

    asker: Asker | None
    lane: Lane
    asked: float = field(default_factory=time.monotonic)
    place: int | None = None
    since: float = 0.0
    refused: bool = False


class Places:
    """The places of this process. Threads share it."""

    def __init__(self, limit: int) -> None:
        self.lanes: list[Lane] = ["any"] if limit == 1 else ["quick", *["long"] * (limit - 1)]  # type: ignore[list-item]
        self._changed = threading.Condition()
        self._holders: dict[int, Ticket] = {}
        self._waiting: list[Ticket] = []
        self._had: dict[str, tuple[float, float]] = {}
        self._newest_next = True

    def idle(self) -> bool:
        """Whether a place is free and nobody waits."""
        with self._changed:
            return not self._waiting and len(self._holders) < len(self.lanes)

    def take(self, ticket: Ticket, wait_s: float, on_wait: Callable[[int], None] | None) -> None:
        """Waits for a place, at most `wait_s` seconds; `on_wait` is told once how many others wait. Raises BusyError
        where there is none in time, or too many wait."""
        until = time.monotonic() + wait_s
        with self._changed:
            self._queue(ticket)
            self._give()
            before = len(self._waiting) - 1
            must_wait = ticket.place is None
        try:
            if must_wait and on_wait is not None:
                on_wait(before)
            with self._changed:
                while ticket.place is None:
                    left = until - time.monotonic()
                    if left <= 0 or ticket.refused or not _wanted(ticket):
                        raise BusyError
                    self._changed.wait(min(left, _LOOK_S))
        except BaseException:
            self.leave(ticket)
            raise

    def leave(self, ticket: Ticket) -> None:
        """Gives the place back, or the wish for one up."""
        with self._changed:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            if ticket.place is not None:
                del self._holders[ticket.place]
                ticket.place = None
                self._charge(ticket)
            self._give()
            self._changed.notify_all()

    def may_go_on(self, ticket: Ticket) -> bool:
        """Asked after each slice: whether the query keeps running, in a long place where one is free."""
        if not _wanted(ticket):
            return False
        with self._changed:
            if ticket.place is None or ticket.lane != "quick" or self.lanes[ticket.place] == "long":
                return True
            free = [k for k, lane in enumerate(self.lanes) if lane == "long" and k not in self._holders]
            if free and not any(other.lane != "quick" for other in self._waiting):
                self._holders[free[0]] = self._holders.pop(ticket.place)
                ticket.place = free[0]
                self._give()
                self._changed.notify_all()
                return True
            return not any(self._fits(other, ticket.place) for other in self._waiting)

    def _queue(self, ticket: Ticket) -> None:
        like = [other for other in self._waiting if other.lane == ticket.lane]
        if len(like) >= MOST_WAITING.get(ticket.lane, sys.maxsize):
            worst = self._equals([*like, ticket], max)
            last = worst[len(worst) // 2]
            if last is ticket:
                raise BusyError
            last.refused = True
            self._waiting.remove(last)
            self._changed.notify_all()
        self._waiting.append(ticket)

    def _give(self) -> None:
        for place in range(len(self.lanes)):
            fitting = [ticket for ticket in self._waiting if self._fits(ticket, place)]
            if place in self._holders or not fitting:
                continue
            equals = self._equals(fitting, min)
            newest = self._newest_next and equals[0].lane == "quick"
            first = equals[-1 if newest else 0]
            self._newest_next = not newest
            self._waiting.remove(first)
            self._holders[place] = first
            first.place, first.since = place, time.monotonic()
            self._changed.notify_all()

    def _fits(self, ticket: Ticket, place: int) -> bool:
        return "any" in (ticket.lane, self.lanes[place]) or ticket.lane == self.lanes[place]

    def _equals(self, tickets: list[Ticket], choose: Callable[..., Had]) -> list[Ticket]:
        """Those whose visitors had most, or least, in the order in which they asked."""
        now = time.monotonic()
        had = {ticket: self._had_of(ticket.asker, now) for ticket in tickets}
        chosen = choose(had.values())
        return sorted((ticket for ticket in tickets if had[ticket] == chosen), key=lambda ticket: ticket.asked)

    def _had_of(self, asker: Asker | None, now: float) -> Had:
        """Seconds of places lately: those of the address, and the visitor's own."""
        if asker is None:
            return (0.0, 0.0)
        return (self._lately(_at(asker), now), self._lately(asker.name, now))

    def _lately(self, whose: str, now: float) -> float:
        seconds, as_of = self._had.get(whose, (0.0, 0.0))
        return float(seconds * 0.5 ** ((now - as_of) / HALF_LIFE_S))

    def _charge(self, ticket: Ticket) -> None:
        if ticket.asker is None:
            return
        now = time.monotonic()
        spent = max(now - ticket.since, LEAST_S)
        for whose in filter(None, (ticket.asker.name, _at(ticket.asker))):
            self._had[whose] = (self._lately(whose, now) + spent, now)
        for whose in [whose for whose in self._had if self._lately(whose, now) < 0.01]:
            del self._had[whose]


def _at(asker: Asker) -> str:
    return f"at {asker.address}" if asker.address else ""


def _wanted(ticket: Ticket) -> bool:
    return ticket.asker is None or ticket.asker.wanted()
