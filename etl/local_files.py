"""Local files, opened safely: regular files only."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from etl.errors import StrobeError


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


def name_text(name: str | os.PathLike[str]) -> str:
    """A path or name as text that can be stored and printed: what of it is no UTF-8 becomes U+FFFD."""
    return os.fspath(name).encode(errors="surrogateescape").decode(errors="replace")


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a regular file. Raises FileNotFoundError where there is nothing, and NotAFileError."""
    with os.fdopen(open_there(path), "rb") as file:
        return file.read()


def read_start(path: str | os.PathLike[str], most: int = 1024) -> bytes:
    """The first bytes of a regular file. Raises NotAFileError."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read(most)


def open_there(path: str | os.PathLike[str]) -> int:
    """`open_regular`, with FileNotFoundError for a path at which there is nothing at all."""
    try:
        return open_regular(path)
    except NotAFileError:
        if not os.path.lexists(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path)) from None
        # It may have come between the two looks.
        return open_regular(path)


def what_is_amiss(path: str | os.PathLike[str], size: int) -> str:
    """What one look at a path tells, without opening it; "" for a regular file of `size` bytes."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link, which is not followed"
    if not stat.S_ISREG(status.st_mode):
        return "is a folder, not a file" if stat.S_ISDIR(status.st_mode) else "is not a regular file"
    return "" if status.st_size == size else f"has {status.st_size:,} bytes instead of {size:,}"
