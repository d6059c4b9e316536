"""How the server's memory is kept together."""

from __future__ import annotations

import ctypes
import platform
from typing import Final

ARENAS: Final = 2
LARGE: Final = 1 << 20
"""Bytes from which an array has pages of its own."""
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""`mallopt` of glibc, from <malloc.h>."""


def keep_together() -> None:
    """Let all threads share few of glibc's arenas, with nothing large in them; elsewhere nothing.

    Each thread has one of its own otherwise, up to eight for each core. Streamlit starts a thread for each page, and
    what a page leaves in an arena keeps the rest of it from being used by others, or given back: 270 MB after thirty
    busy visitors. Threads of Python take turns anyway, so they hardly wait for each other here. Arenas that are there
    before the call stay, so it comes first of all.

    Large arrays go back to the system as they are let go. Otherwise those of up to 32 MB come into arenas too, once
    glibc has seen one come and go: 100 MB stay after twenty curves of a million points.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, ARENAS)
        libc.mallopt(_M_MMAP_THRESHOLD, LARGE)
