"""Threads share few arenas of the C library, so that what one page leaves is room for the next."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from strobe.ui.server.memory import ARENAS

_THREADS = """
import ctypes, sys, threading
from strobe.ui.server.memory import few_arenas
if sys.argv[2] == "few":
    few_arenas()
barrier = threading.Barrier(12)
def work():
    kept = [bytearray(5000) for _ in range(100)]
    barrier.wait()  # all at once: an arena is taken over from a thread that has ended
threads = [threading.Thread(target=work) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def arenas(how: str) -> int:
    """How many arenas a process of twelve threads has in the end."""
    with tempfile.NamedTemporaryFile("r") as told:
        subprocess.run([sys.executable, "-c", _THREADS, told.name, how], check=True, timeout=60)
        return Path(told.name).read_text().count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_twelve_threads_share_few_arenas() -> None:
    assert arenas("few") <= ARENAS
    assert arenas("as they come") > 2 * ARENAS, "so the call is what does it"
