"""One recorder a folder: a lock that dies with its process and says who holds it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from etl.errors import StrobeError
from etl.locks import try_lock

LOCK = ".recorder.lock"
_KEYS = {"pid": int, "host": str, "started": float}


class LockedError(StrobeError):
    """Another recorder is at work in this folder."""


class FolderLock:
    """Holds `<folder>/.recorder.lock` until `release`.

    The lock is the kernel's (flock), so that of a killed process is gone at once and its file is taken over. A file
    that another host left may mean that the folder is shared over a network, where flock is not to be trusted: it is
    refused unless `take_over`.
    """

    def __init__(self, folder: str | os.PathLike[str], *, take_over: bool = False) -> None:
        self.path = Path(folder) / LOCK
        self._descriptor = self._acquire()
        holder = self._holder()
        if holder and holder["host"] != socket.gethostname() and not take_over:
            self._let_go()
            raise LockedError(f"{self._said(holder)}; if that recorder is surely gone, remove {self.path}")
        self._sign()

    def _acquire(self) -> int:
        descriptor = try_lock(self.path)
        if descriptor is None:
            raise LockedError(f"{self._said(self._holder())}; record into another folder")
        return descriptor

    def _said(self, holder: dict[str, Any] | None) -> str:
        who = "another recorder"
        if holder:
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["started"]))
            who = f"process {holder['pid']} on {holder['host']}, since {since},"
        return f"{self.path.parent}: {who} is recording here"

    def _holder(self) -> dict[str, Any] | None:
        try:
            holder = json.loads(self.path.read_bytes())
            return {key: kind(holder[key]) for key, kind in _KEYS.items()}
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _sign(self) -> None:
        own = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(own).encode(), 0)

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def release(self) -> None:
        """Remove the file and let go; twice is once."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._let_go()
