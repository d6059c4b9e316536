"""The C++ programs that tests run: made by the Makefile in cuda/, once for all test processes."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

CUDA = Path(__file__).resolve().parents[2] / "cuda"
NEEDS_A_COMPILER = pytest.mark.skipif(
    shutil.which("g++") is None or shutil.which("make") is None, reason="needs g++ and make"
)


def made(target: str = "test-programs") -> Path:
    """The folder that holds what `target` makes; one test process at a time makes it."""
    folder = CUDA / "build"
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Two at a time: most machines that run tests have two cores.
        command = ["make", "-s", "-j2", "-C", str(CUDA), target]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder
