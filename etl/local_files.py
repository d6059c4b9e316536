"""Local files, safely: regular files only, whole writes, and replacement by rename."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from etl.errors import StrobeError

_CHUNK = 1 << 24


class NotAFileError(StrobeError):
    """Something other than a readable regular file stands where one was expected."""


def open_regular(path: str | os.PathLike[str]) -> int:
    """A read-only descriptor of a regular file; refuses symlinks, pipes, devices and folders without blocking."""
    flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if Path(path).is_symlink():
            raise NotAFileError(f"{path}: is a symbolic link, which is not followed") from None
        raise NotAFileError(f"{path}: cannot be opened ({error.strerror})") from None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise NotAFileError(f"{path}: is not a regular file")


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
def replacing(path: Path, *, fsync: bool = True) -> Iterator[int]:
    """A descriptor of a temporary file beside `path` that takes its name at the end, or is removed on an error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            yield descriptor
            if fsync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if fsync:
        sync_folder(path.parent)
