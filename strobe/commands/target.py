"""Files that commands write for a person: what may be replaced, what cannot be written, and one writer at a time."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from etl.errors import StrobeError
from etl.locks import try_lock


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
    """Holds a lock on writing `path`. Raises StrobeError where another process has it."""
    name = path.with_name(f".{path.name}.lock")
    with writing(path):
        descriptor = try_lock(name)
    if descriptor is None:
        raise StrobeError(f"another export of {path} is under way; wait for it, or give another --out")
    try:
        yield
    finally:
        name.unlink(missing_ok=True)
        os.close(descriptor)
