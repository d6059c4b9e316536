"""Files that commands write for a person: what may be replaced, what cannot be written, and one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from etl.errors import StrobeError


def free(path: Path, force: bool) -> Path:
    """`path`, if nothing stands there, or with `force` a regular file. Raises StrobeError otherwise: a device or a
    pipe would be replaced by a file."""
    with writing(path):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            return path
    if not stat.S_ISREG(mode):
        raise StrobeError(f"{path} is not a regular file and is not replaced; give another --out")
    if not force:
        raise StrobeError(f"{path} is there already; give another --out, or --force to replace it")
    return path


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the file system refuses into one line."""
    try:
        yield
    except OSError as error:
        raise StrobeError(
            f"{path}: cannot be written ({error.strerror or error}); name a file in a folder that exists"
        ) from None


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds a lock on writing `path`. Raises StrobeError where another process has it.

    The holder removes its lock file, so one that was removed between our opening and locking it holds nobody off:
    the file under the name must be the one that was locked.
    """
    name = path.with_name(f".{path.name}.lock")
    with writing(path):
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        if not _locked(descriptor, name):
            raise StrobeError(f"another export of {path} is under way; wait for it, or give another --out")
        try:
            yield
        finally:
            name.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, name: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), name.stat())
    except (BlockingIOError, FileNotFoundError):
        return False
