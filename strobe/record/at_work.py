"""The recorders of this process that have not ended: one that begins where another is at work ends it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final, Protocol

from strobe.record.empty import is_empty
from strobe.record.ending import Ending

log = logging.getLogger("strobe.record")


class AtWork(Protocol):
    """A recorder, as far as another one must know it."""

    folder: Path

    @property
    def closed(self) -> bool: ...

    def flush(self) -> bool: ...

    def finish(self, end: Ending = ..., reason: str | None = ...) -> None: ...


_AGAIN: Final = "the same program began to record here again"
_recorders: dict[Path, AtWork] = {}
"""By their folders."""


def add(recorder: AtWork) -> None:
    """From now on `recorder` is at work in its folder."""
    _recorders[recorder.folder.resolve()] = recorder


def drop(recorder: AtWork) -> None:
    """Nobody is at work in the folder of `recorder` any more."""
    _recorders.pop(recorder.folder.resolve(), None)


def end_earlier(folder: Path, *, resume: bool) -> None:
    """End this process's own recorder of a folder that may be begun in again: a cell of a notebook was run twice."""
    earlier = _recorders.get(folder.resolve())
    if earlier is None or earlier.closed:
        return
    earlier.flush()
    if resume or not folder.is_dir() or is_empty(folder):
        log.warning("%s: %s; the recorder that was at work is ended", folder, _AGAIN)
        earlier.finish("interrupted", _AGAIN)
