"""Local files, opened safely: regular files only."""

from __future__ import annotations

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
