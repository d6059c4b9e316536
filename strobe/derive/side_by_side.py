"""The same work on many arrays at once, by threads: numpy and LAPACK let go of the interpreter while they compute."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def side_by_side(work: Callable[[Item], Made], items: Iterable[Item], threads: int | None = None) -> Iterator[Made]:
    """`map(work, items)` by so many threads, one a processor unless given.

    Few items are taken before their turn, unlike by an executor's map: those of a large snapshot are its arrays. What
    `work` raises is raised at its place, and no item after it is begun.
    """
    threads = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(threads, "side-by-side") as pool:
        begun: deque[Future[Made]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) > threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
