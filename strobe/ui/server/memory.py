"""How the server's memory is kept together."""

from __future__ import annotations

import ctypes
import platform
from typing import Final

ARENAS: Final = 2
_M_ARENA_MAX: Final = -8
"""`mallopt` of glibc, from <malloc.h>."""


def few_arenas() -> None:
    """Let all threads share few of glibc's arenas; elsewhere nothing.

    Each thread has one of its own otherwise, up to eight for each core. Streamlit starts a thread for each page, and
    what a page leaves in an arena keeps the rest of it from being used by others, or given back: 270 MB after thirty
    busy visitors. Threads of Python take turns anyway, so they hardly wait for each other here. Arenas that are there
    before the call stay, so it comes first of all.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)
