"""One recorder a folder: a lock that dies with its process and says who holds it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from etl.locks import named, try_lock
from strobe.record.errors import RecorderError

log = logging.getLogger("strobe.record")

LOCK = ".recorder.lock"
_BEAT_S = 30.0


class LockedError(RecorderError):
    """Another recorder is at work in this folder."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who signed a lock file; `beat` is its last heartbeat. Times in Unix seconds."""

    pid: int
    host: str
    started: float
    beat: float

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """That of a lock file, or None where there is none that can be read."""
        try:
            said = json.loads(path.read_bytes())
            return cls(int(said["pid"]), str(said["host"]), float(said["started"]), path.stat().st_mtime)
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return None

    def __str__(self) -> str:
        """process 12 on web-7, since 2026-11-30 20:11:02, last heartbeat 2026-11-30 20:14:02 (3 h ago)"""
        who = f"process {self.pid} on {self.host}, since {_moment(self.started)}"
        return f"{who}, last heartbeat {_moment(self.beat)} ({_ago(time.time() - self.beat)})"


class FolderLock:
    """Holds `<folder>/.recorder.lock` until `release`; `beat` says that its holder lives.

    The lock is the kernel's (flock), so that of a killed process is gone at once and its file is taken over. A file
    that another host left may mean that the folder is shared over a network, where flock is not to be trusted, or
    that a container came up again under another name: it is refused unless `take_over`, and then said.
    """

    def __init__(self, folder: str | os.PathLike[str], *, take_over: bool = False) -> None:
        self.path = Path(folder) / LOCK
        self._descriptor = -1
        self._beaten = 0.0
        self._acquire(take_over=take_over)

    def _acquire(self, *, take_over: bool) -> None:
        descriptor = try_lock(self.path)
        holder = Holder.of(self.path)
        if descriptor is None:
            raise LockedError(f"{self._recording(holder)}; record into another folder")
        self._descriptor, self._beaten = descriptor, time.monotonic()
        if holder is not None and holder.host != socket.gethostname():
            self._meet_stranger(holder, take_over)
            return
        try:
            _sign(descriptor)
        except OSError:
            # What cannot be signed is no lock, and would be told of as another recorder's.
            self.release()
            raise

    def _meet_stranger(self, holder: Holder, take_over: bool) -> None:
        if not take_over:
            self._let_go()
            raise LockedError(
                f"{self._recording(holder)}; if that recorder is surely gone (a container that starts again has "
                "another host name), give --take-over, or take_over=True to the Recorder"
            )
        log.warning("%s: taken over from %s", self.path.parent, holder)
        # In a file of its own: should the other live after all, it finds that its own is gone, and records no more.
        self.path.unlink(missing_ok=True)
        self._let_go()
        self._acquire(take_over=False)

    def _recording(self, holder: Holder | None) -> str:
        return f"{self.path.parent}: {holder or 'another recorder'} is recording here"

    def beat(self) -> None:
        """Say, twice a minute at most, that the holder lives: the time at which the lock file was last changed."""
        if self._descriptor >= 0 and time.monotonic() - self._beaten >= _BEAT_S:
            self._beaten = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(self._descriptor)

    def held(self) -> bool:
        """Whether the file that we lock is still the one in the folder: that may be gone, or be another by now."""
        return self._descriptor >= 0 and named(self._descriptor, self.path)

    def hold_again(self) -> None:
        """Lock the folder that stands in the place of ours. Raises LockedError, OSError where there is none."""
        if not self.held():
            self._let_go()
            self._acquire(take_over=False)

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def release(self) -> None:
        """Remove the file and let go; twice is once."""
        if self.held():
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._let_go()


def _sign(descriptor: int) -> None:
    own = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(own).encode(), 0)


def _moment(unix_time: float) -> str:
    with contextlib.suppress(OverflowError, OSError, ValueError):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix_time))
    return "an unknown time"


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"
