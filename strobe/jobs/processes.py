"""Which process a pid means: its number with the moment of its birth, since numbers are given out again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

_AFTER_NAME_STATE, _AFTER_NAME_START = 0, 19
"""Fields 3 and 22 of /proc/PID/stat (proc_pid_stat(5)), counted from behind the name."""


def birth(pid: int) -> str | None:
    """What tells this process from all others that ever have its number; None where none runs under it.

    A process that has ended and was not waited for (a zombie) does not run.
    """
    if sys.platform != "linux":
        return _birth_by_ps(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[_AFTER_NAME_STATE] in "ZX":
        return None
    boot = ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{fields[_AFTER_NAME_START]}"


def _birth_by_ps(pid: int) -> str | None:
    told = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = told.stdout.strip().partition(" ")
    return started.strip() if started and not state.startswith("Z") else None


def runs(pid: int | None, born: str | None) -> bool:
    """Whether the process that was born then is still running."""
    return pid is not None and born is not None and birth(pid) == born


def signal_group(pid: int, born: str | None, number: int) -> None:
    """Send a signal to the group that this process leads; nothing where it is gone."""
    if runs(pid, born):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
