"""The sandbox's children in this process: one for each query that has its place (turns.py), and the spare.

At most two children live at once (one where memory is short), the spare included. Each answers one query and is
then killed, whatever it did.
"""

import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from etl.sql.process import GIB, Child, machine_memory
from etl.sql.turns import Asker, Lane, Places, Ticket


def places(memory: int) -> int:
    """How many children may live at once on a machine with this much memory."""
    return 2 if memory >= 3 * GIB else 1


class Pool:
    """The children of this process: as many as there are places, the spare included."""

    def __init__(self, limit: int) -> None:
        self._places = Places(limit)
        self._changed = threading.Lock()
        self._running: set[Child] = set()
        self._spare: Future[Child] | None = None
        # Linux tells a child of its parent's death when the *thread* that started it ends. The threads that ask
        # (a Streamlit script, say) come and go, so one lasting thread does all the starting.
        self._starter = ThreadPoolExecutor(1, "sandbox-starter")

    def warm(self) -> None:
        """Start a spare child, if there is a place for one and nobody waits for it."""
        with self._changed:
            self._prepare()

    def _prepare(self) -> None:
        if self._spare is None and self._places.idle():
            with contextlib.suppress(RuntimeError):  # the interpreter is ending
                self._spare = self._starter.submit(Child)

    @contextlib.contextmanager
    def child(
        self, wait_s: float, on_wait: Callable[[int], None] | None, *, spare: bool, asker: Asker | None = None,
        lane: Lane = "any",
    ) -> Iterator[Child]:  # fmt: skip
        """A child for one query; killed at the end. `spare`: leave one ready for the next query.

        Waits at most `wait_s` seconds for a place of `lane`, then raises BusyError; `on_wait` is told once how many
        others wait.
        """
        ticket = Ticket(asker, lane)
        self._places.take(ticket, wait_s, on_wait)
        child: Child | None = None
        try:
            child = self._start()
            child.may_go_on = partial(self._places.may_go_on, ticket)
            yield child
        finally:
            if child is not None:
                child.kill()
                with self._changed:
                    self._running.discard(child)
            self._places.leave(ticket)
            if spare:
                self.warm()

    def _start(self) -> Child:
        with self._changed:
            spare, self._spare = self._spare, None
        child = None
        if spare is not None:
            with contextlib.suppress(OSError):
                child = spare.result()
        if child is not None and not child.alive():
            child.kill()
            child = None
        child = child or self._starter.submit(Child).result()
        with self._changed:
            self._running.add(child)
        return child

    def close(self) -> None:
        """Kill every child; a later query starts afresh."""
        with self._changed:
            running, spare, self._spare = list(self._running), self._spare, None
        for child in running:
            child.kill()
        if spare is not None:
            with contextlib.suppress(Exception):
                spare.result(5).kill()

    def pids(self) -> list[int]:
        """The process numbers of the children that live now."""
        with self._changed:
            spare = [self._spare] if self._spare is not None else []
            children = list(self._running)
        return [child.pid for child in [*children, *(future.result() for future in spare)] if child.alive()]


_pool: Pool | None = None
_pool_lock = threading.Lock()


def pool() -> Pool:
    """The one pool of this process."""
    global _pool  # noqa: PLW0603 - the limit holds for the process, whoever asks
    with _pool_lock:
        if _pool is None:
            _pool = Pool(places(machine_memory()))
            atexit.register(_pool.close)
        return _pool


def _forget() -> None:
    """After a fork: the children and their starter thread belong to the original process."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
