"""The sandbox over one child that is kept: all that the real path does but starting a process for each statement."""

from __future__ import annotations

import contextlib
import select
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

from etl.sql import process, sandbox
from etl.sql.process import Child
from etl.sql.reply import Limits, Reply
from etl.sql.sandbox import Sandbox, Tables
from etl.sql.turns import Asker

SCRIPT = Path(__file__).with_name("kept_child.py")


class Kept:
    """Stands in for the pool: one child, greeted and confined as a real one, answers statement after statement.
    Threads must not ask at once."""

    def __init__(self) -> None:
        self._child: Child | None = None
        # Linux ends a child with the thread that started it, and a page runs in a thread of its own.
        self._starter = ThreadPoolExecutor(1)
        self.starts = 0

    def warm(self) -> None:
        """Start the child, if none runs, and wait until it is ready: no statement pays for its start."""
        if self._child is None:
            with patch.object(process, "_SCRIPT", SCRIPT):
                self._child, self.starts = self._starter.submit(Child).result(), self.starts + 1
            select.select([self._child._from], [], [], 60)

    @contextlib.contextmanager
    def child(
        self, wait_s: float, on_wait: Callable[[int], None] | None, *, spare: bool, **whose: object
    ) -> Iterator[Child]:
        """The kept child. One that was late or died is replaced, as every one is on the real path."""
        self.warm()
        assert self._child is not None
        try:
            yield self._child
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._child = None


class KeptSandbox(Sandbox):
    """A sandbox of its own kept child; others beside it take the real path."""

    def __init__(self, catalogue: Tables) -> None:
        super().__init__(catalogue, spare=False)
        self.kept = Kept()

    def run(
        self, sql: str, limits: Limits | None = None, on_wait: Callable[[int], None] | None = None,
        asker: Asker | None = None,
    ) -> Reply:  # fmt: skip
        with patch.object(sandbox, "pool", lambda: self.kept):
            return super().run(sql, limits, on_wait, asker)


@contextlib.contextmanager
def kept_sandbox(catalogue: Tables) -> Iterator[KeptSandbox]:
    """A `KeptSandbox` over the catalogue; its child ends with the context."""
    made = KeptSandbox(catalogue)
    try:
        yield made
    finally:
        made.kept.close()
