"""Who may run: the places for the sandbox's children in this process, the queue before them, and the spare.

At most two children live at once (one where memory is short), the spare included. Each answers one query and is
then killed, whatever it did.
"""

import atexit
import collections
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from etl.sql.process import GIB, Child, machine_memory


class BusyError(Exception):
    """All places were taken for as long as the caller would wait."""


def places(memory: int) -> int:
    """How many children may live at once on a machine with this much memory."""
    return 2 if memory >= 3 * GIB else 1


class Pool:
    """The places for children in this process: who runs, who waits (first come, first served), and the spare."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._changed = threading.Condition()
        self._waiting: collections.deque[object] = collections.deque()
        self._running: set[Child] = set()
        self._taken = 0
        self._spare: Future[Child] | None = None
        # Linux tells a child of its parent's death when the *thread* that started it ends. The threads that ask
        # (a Streamlit script, say) come and go, so one lasting thread does all the starting.
        self._starter = ThreadPoolExecutor(1, "sandbox-starter")

    def warm(self) -> None:
        """Start a spare child, if there is a place for one and nobody waits for it."""
        with self._changed:
            self._prepare()

    def _prepare(self) -> None:
        if self._spare is None and not self._waiting and self._taken < self.limit:
            with contextlib.suppress(RuntimeError):  # the interpreter is ending
                self._spare = self._starter.submit(Child)

    @contextlib.contextmanager
    def child(self, wait_s: float, on_wait: Callable[[int], None] | None, *, spare: bool) -> Iterator[Child]:
        """A child for one query; killed at the end. `spare`: leave one ready for the next query.

        Waits at most `wait_s` seconds for a place, then raises BusyError;
        `on_wait` is told once how many wait before us.
        """
        self._take_place(wait_s, on_wait)
        child: Child | None = None
        try:
            child = self._start()
            yield child
        finally:
            if child is not None:
                child.kill()
            with self._changed:
                self._taken -= 1
                if child is not None:
                    self._running.discard(child)
                if spare:
                    self._prepare()
                self._changed.notify_all()

    def _take_place(self, wait_s: float, on_wait: Callable[[int], None] | None) -> None:
        ticket, until = object(), time.monotonic() + wait_s
        with self._changed:
            self._waiting.append(ticket)
            before = len(self._waiting) - 1
            must_wait = before > 0 or self._taken >= self.limit
        try:
            if must_wait and on_wait is not None:
                on_wait(before)
            with self._changed:
                while self._waiting[0] is not ticket or self._taken >= self.limit:
                    left = until - time.monotonic()
                    if left <= 0:
                        raise BusyError
                    self._changed.wait(left)
                self._taken += 1
        finally:
            with self._changed:
                self._waiting.remove(ticket)
                self._changed.notify_all()

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
