"""Reading the same thing from many snapshots: a damaged one costs its own step and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.snapshot import Snapshot
from strobe.views.run_view import RunView

T = TypeVar("T")


def at_steps(view: RunView, steps: Sequence[int], read: Callable[[Snapshot], T]) -> Iterator[tuple[int, T | None]]:
    """(step, what `read` makes of its snapshot) one after the other; None where there is no snapshot, or it cannot be
    read, or it lacks what is read."""
    snapshots = view.snapshots() if steps else None
    paths = snapshots.current() if snapshots is not None else {}
    for step in steps:
        yield step, _read(snapshots, paths.get(step), read)


def _read(snapshots: Run | None, path: object, read: Callable[[Snapshot], T]) -> T | None:
    if snapshots is None or path is None:
        return None
    try:
        return read(snapshots.sound(str(path)))
    except (StrobeError, OSError, KeyError):
        return None
