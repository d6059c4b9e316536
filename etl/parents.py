"""For a process that another starts: it ends when that one does."""

from __future__ import annotations

import os
import threading


def end_with_input() -> None:
    """Ends this process once its standard input does, and so with whoever holds the other end, however that one
    ended. (The kernel's parent-death signal would come with the end of the thread that began it, which in the app is
    every rerun.)"""
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
