"""One child process of the sandbox, seen from its parent: start, talk, and a certain end."""

import contextlib
import json
import math
import os
import selectors
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from etl.sql.turns import SLICE_S

GIB = 1 << 30
_SCRIPT = Path(__file__).resolve().with_name("child.py")
_READ_BYTES = 1 << 18
_LOOK_S = 0.05
"""Between two looks at how much memory a child has."""

Frame = tuple[str, bytes]


class ChildDiedError(Exception):
    """The child ended without finishing its reply; `signal` is the signal that ended it, or 0."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal = signal_number


class AsideError(Exception):
    """The query outlived its slice while others waited."""


class LateError(Exception):
    """The time limit came before the end of the reply."""


def machine_memory() -> int:
    """Bytes of memory that this machine, or the container that we are in, has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int(Path(name).read_text()))
    return total


def address_space(memory: int) -> int:
    """RLIMIT_AS of a child, bytes, on a machine with this much memory."""
    return 1_200_000_000 if memory >= 3 * GIB else 800_000_000


def _paths() -> list[str]:
    """Where the child finds its libraries: where we found ours, and last the folder that holds this package."""
    found = [path for path in sys.path if path and Path(path).is_absolute()]
    return [*found, str(_SCRIPT.parents[2])]


def _frame(value: object) -> bytes:
    data = json.dumps(value).encode()
    return struct.pack("<I", len(data)) + data


class Child:
    """One child process, started and greeted; `converse` once, then `kill`."""

    def __init__(self) -> None:
        # Without a HOME, Python asks the system's name service for one as it starts.
        environment = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2", "HOME": "/"}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-X", "utf8", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            close_fds=True,
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        memory = machine_memory()
        greeting = {"parent": os.getpid(), "address_space": address_space(memory), "paths": _paths()}
        self.may_go_on: Callable[[], bool] = lambda: True
        """Asked after each slice of the query."""
        self._unsent = _frame(greeting)
        self._received = bytearray()
        self._send_some()

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._ended_by() is None

    def converse(
        self, job: bytes, timeout_s: float, start_s: float, max_bytes: int, memory: float = math.inf
    ) -> Iterator[Frame]:
        """Send the job and yield the frames of the reply, (letter, data), the last one E or X.

        Raises LateError when `timeout_s` has passed since the child was ready, or timeout_s + start_s in all (a child
        that is still starting loses little of its time); AsideError when a slice is over and `may_go_on` says no;
        ChildDiedError when it ends before its reply does, sends more than `max_bytes`, or takes more than `memory`
        bytes: the engine keeps to its own limit for most of what it does, and not for all.
        """
        self._unsent += struct.pack("<I", len(job)) + job
        self._room = max_bytes
        look = time.monotonic()
        slice_ends = deadline = time.monotonic() + timeout_s + start_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._from, selectors.EVENT_READ)
            selector.register(self._to, selectors.EVENT_WRITE)
            while True:
                for letter, data in self._frames():
                    if letter == "R":
                        deadline = min(deadline, time.monotonic() + timeout_s)
                        slice_ends = time.monotonic() + SLICE_S
                        continue
                    yield letter, data
                    if letter in "EX":
                        return
                now = time.monotonic()
                if now >= deadline:
                    raise LateError
                if now >= slice_ends:
                    if not self.may_go_on():
                        raise AsideError
                    slice_ends = now + SLICE_S
                if now >= look:
                    if self._own_memory() > memory:
                        raise ChildDiedError(signal.SIGKILL)
                    look = now + _LOOK_S
                self._turn(selector, min(deadline, slice_ends, look) - now)

    def _own_memory(self) -> int:
        """Bytes that the child shares with no file."""
        try:
            _, resident, shared, *_ = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        except (OSError, ValueError):  # another system than Linux, or it is gone
            return 0
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")

    def _turn(self, selector: selectors.BaseSelector, timeout_s: float) -> None:
        for key, _ in selector.select(timeout_s):
            if key.fd == self._to:
                self._send_some()
                if not self._unsent:
                    selector.unregister(self._to)
                continue
            piece = os.read(self._from, _READ_BYTES)
            self._room -= len(piece)
            if not piece or self._room < 0:
                raise ChildDiedError(self._end_signal())
            self._received += piece

    def _send_some(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._to, self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent = b""  # it is gone: the end of its output tells so, and with which signal

    def _frames(self) -> Iterator[tuple[str, bytes]]:
        while len(self._received) >= 5:
            letter, length = struct.unpack_from("<cI", self._received)
            if len(self._received) < 5 + length:
                return
            data = bytes(self._received[5 : 5 + length])
            del self._received[: 5 + length]
            yield letter.decode("ascii", "replace"), data

    def _ended_by(self) -> int | None:
        """The signal that ended the child (0: it left by itself), or None while it lives. It stays unreaped, so
        that its number and its group's cannot become somebody else's before `kill`."""
        if self._process.returncode is not None:
            return max(0, -self._process.returncode)
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return 0 if ended.si_code == os.CLD_EXITED else ended.si_status

    def _end_signal(self) -> int:
        for _ in range(100):
            number = self._ended_by()
            if number is not None:
                return number
            time.sleep(0.01)
        return 0

    def kill(self) -> None:
        """End the child's process group and wait until it is gone."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
