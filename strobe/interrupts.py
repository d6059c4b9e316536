"""Ctrl-C on a command: it ends with code 130, without a traceback, and after what it began was cleared away.

The first Ctrl-C raises KeyboardInterrupt, and later ones wait for what that unwinds; where that takes long, one more
ends the process with its temporary files removed. While modules load, nothing was begun, and strobe/entry.py ends the
process at once.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

CODE = 128 + signal.SIGINT
_PATIENCE_S = 10.0
_AGAIN_S = 0.02


def leave(code: int) -> NoReturn:
    """End the process after an interrupt as Python does, less the end of its libraries: a thread of theirs that is
    still in the midst of what was interrupted would end it by abort()."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class Interrupts:
    """What SIGINT does in this process, from `listen` on."""

    def __init__(self, clear: Callable[[], None]) -> None:
        """`clear` removes temporary files where unwinding has to be given up."""
        self.came = False
        """Whether one was raised."""
        self._clear = clear
        self._unwinding_since: float | None = None

    def listen(self) -> None:
        """Take SIGINT over, where the process does not ignore it, as a shell's background jobs do."""
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._interrupted)
            sys.unraisablehook = self._swallowed

    def over(self) -> None:
        """Nothing is left to be interrupted: what comes now would only disturb Python's own end."""
        if self._unwinding_since is None:
            self._unwinding_since = time.monotonic()

    def _interrupted(self, _: int, __: FrameType | None) -> None:
        if self._unwinding_since is None:
            self.came, self._unwinding_since = True, time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._unwinding_since > _PATIENCE_S:
            self._clear()
            os._exit(CODE)

    def _swallowed(self, what: Any) -> None:
        """An exception that Python cannot raise where it came, as in a destructor. Ours is raised again a little
        later, elsewhere."""
        if self.came and isinstance(what.exc_value, KeyboardInterrupt):
            self._unwinding_since = None
            signal.signal(signal.SIGALRM, self._interrupted)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        else:
            sys.__unraisablehook__(what)
