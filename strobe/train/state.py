"""The state that a training resumes from: `resume/state.pt`, replaced as a whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from etl.replacing import replacing, write_all
from strobe.train.config import ConfigError
from strobe.train.model import GPT

_FILE = "state.pt"


def save_state(folder: Path, step: int, model: GPT, optimizer: torch.optim.Optimizer, config: dict[str, Any]) -> None:
    """`step` updates have been applied. A kill leaves the state before. Raises OSError when the disk refuses."""
    state = {
        "step": step,
        "config": config,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "cpu_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    (folder / "resume").mkdir(exist_ok=True)
    with replacing(folder / "resume" / _FILE) as descriptor:
        write_all(descriptor, buffer.getbuffer())


def load_state(folder: Path) -> dict[str, Any]:
    """The saved state. Raises ConfigError when there is none or it is damaged; never unpickles code."""
    path = folder / "resume" / _FILE
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(f"{folder}: has no {path.relative_to(folder)} to resume from; start it anew") from None
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"{path}: cannot be resumed from ({first:.120})") from None
    return state


def restore(state: dict[str, Any], model: GPT, optimizer: torch.optim.Optimizer) -> int:
    """Put the state back; returns its step."""
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["cpu_rng"])
    if torch.cuda.is_available() and state["cuda_rng"]:
        torch.cuda.set_rng_state_all(state["cuda_rng"])
    return int(state["step"])
