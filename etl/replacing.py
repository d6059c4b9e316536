"""Whole writes: a file appears under its name complete, or not at all, and replaces the one before it at once."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 1 << 24
_unfinished: set[Path] = set()


def remove_unfinished() -> None:
    """Remove the temporary files of this process: for one that has to end on the spot."""
    for temporary in list(_unfinished):
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Make renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: memoryview | bytes) -> None:
    """Write every byte, however little one call takes."""
    view = memoryview(data).cast("B")
    while view:
        view = view[os.write(descriptor, view[:_CHUNK]) :]


@contextlib.contextmanager
def replacing_path(path: Path, *, fsync: bool = True, suffix: str = "") -> Iterator[Path]:
    """The path of a temporary file beside `path`, to be written by whatever wants a path.

    It takes the name `path` at the end, or is removed on an error. `suffix` is what the temporary name must end
    with, for writers that go by it.
    """
    # Digits, by which a recorder tells the leavings of one that was killed.
    temporary = path.with_name(f".{path.name}.{secrets.randbelow(10**15)}.tmp{suffix}")
    _unfinished.add(temporary)
    try:
        yield temporary
        if fsync:
            _sync_file(temporary)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    finally:
        _unfinished.discard(temporary)
    if fsync:
        sync_folder(path.parent)


@contextlib.contextmanager
def replacing(path: Path, *, fsync: bool = True) -> Iterator[int]:
    """`replacing_path`, as a descriptor to write to."""
    with replacing_path(path, fsync=fsync) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
