"""What this machine can train with, without importing PyTorch into the process that asks."""

from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass, field

INSTALL = "pip install -e '.[train]'"
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Machine:
    """`torch` is PyTorch's version, None where it is not installed or does not start (`trouble` says how);
    `devices` are by the name that --device takes, each with its own."""

    torch: str | None
    devices: dict[str, str] = field(default_factory=dict)
    trouble: str = ""

    @property
    def sentence(self) -> str:
        """Where a training will run, or what to install."""
        if self.torch is None:
            return f"PyTorch {self.trouble or 'is not installed'}. Training needs it: {INSTALL}"
        gpus = [f"{name} ({words})" for name, words in self.devices.items() if name != "cpu"]
        there = f"{', '.join(gpus)}; auto takes the first" if gpus else "no GPU that it can use; auto takes the CPU"
        return f"PyTorch {self.torch} sees {there}."


@functools.cache
def machine() -> Machine:
    """This machine, looked at once in a process of its own."""
    if importlib.util.find_spec("torch") is None:
        return Machine(None)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "strobe.train.devices"], capture_output=True, text=True, timeout=_PATIENCE_S,
            check=True,
        )  # fmt: skip
        said = json.loads(done.stdout.splitlines()[-1])
        return Machine(said["torch"], said["devices"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, IndexError) as error:
        return Machine(None, trouble=f"is installed and does not start ({type(error).__name__})")
