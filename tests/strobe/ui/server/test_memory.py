"""Threads share few arenas of the C library, and large arrays lie in none, so that what one page leaves is room."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from strobe.ui.server.memory import ARENAS, LARGE

_PROCESS = """
import ctypes, sys, threading
from strobe.ui.server.memory import keep_together
if sys.argv[2] == "kept together":
    keep_together()
barrier = threading.Barrier(12)
def work():
    kept = [bytearray(5000) for _ in range(100)]
    barrier.wait()  # all at once: an arena is taken over from a thread that has ended
threads = [threading.Thread(target=work) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
large = bytearray(8 << 20)
del large  # glibc would put the next one of this size into an arena
large = bytearray(8 << 20)
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def told(how: str) -> str:
    """What glibc says of a process that had twelve threads, and has an array of 8 MiB for the second time."""
    with tempfile.NamedTemporaryFile("r") as file:
        subprocess.run([sys.executable, "-c", _PROCESS, file.name, how], check=True, timeout=60)
        return Path(file.name).read_text()


def arenas(how: str) -> int:
    return told(how).count("<heap nr=")


def apart(how: str) -> int:
    """Bytes that lie in no arena."""
    found = re.search(r'<total type="mmap" count="\d+" size="(\d+)"', told(how))
    assert found is not None
    return int(found[1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_share_few_arenas() -> None:
    assert arenas("kept together") <= ARENAS
    assert arenas("as they come") > 2 * ARENAS, "so the call is what does it"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_large_arrays_go_back_to_the_system() -> None:
    assert apart("kept together") >= 8 * LARGE
    assert apart("as they come") < 8 * LARGE, "so the call is what does it"
