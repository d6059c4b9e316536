"""A folder under the temporary folder that no other account of this machine can have prepared."""

from __future__ import annotations

import os
import stat
import tempfile
from functools import cache
from pathlib import Path


def private_folder(name: str) -> Path:
    """The folder `<temporary>/<name>-<user id>`, made if need be: a folder and no link, of this user, closed to all
    others. Where something else lies there, which only another account can have put, a folder that nobody could
    foresee, one for the life of this process."""
    path = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not _is_ours(path):
            return _unforeseen(name)
    return path


def _is_ours(path: Path) -> bool:
    seen = path.lstat()
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and not seen.st_mode & 0o077


@cache
def _unforeseen(name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{name}-"))
