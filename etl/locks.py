"""Locks between processes, the kernel's own (flock): gone with the process that held one, however it ended."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)


def named(descriptor: int, path: Path) -> bool:
    """Whether `path` is still the name of the open file."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _flock(descriptor: int, *, wait: bool) -> None:
    """Raises BlockingIOError where another holds the lock, OSError where there are none."""
    if fcntl is None:
        raise OSError(errno.ENOSYS, "this system has no file locks (flock); run under Linux or macOS, or in WSL")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP):
            told = f"{error.strerror}: the file system has no locks (flock), as some of NFS; use a local folder"
            raise OSError(error.errno, told) from None
        raise


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` while others wait for it. The file stays. Raises OSError where it cannot be made."""
    descriptor = _opened(path)
    try:
        _flock(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock file `path` until it is closed, or None while another process does.

    A holder may remove the file before it lets go. Raises OSError where the file cannot be made, or its file system
    has no locks.
    """
    while True:
        descriptor = _opened(path)
        try:
            _flock(descriptor, wait=False)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError | PermissionError):
                return None
            raise
        if named(descriptor, path):
            return descriptor
        # Its holder removed the file between our open and our lock: what we hold has no name any more.
        os.close(descriptor)
