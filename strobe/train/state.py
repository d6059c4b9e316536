"""The state that a training resumes from: `resume/state.pt`, replaced as a whole, with a checksum."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import torch

from etl.replacing import replacing, write_all
from strobe.train.config import ConfigError
from strobe.train.model import GPT
from strobe.train.seal import SealError, seal, unseal

log = logging.getLogger("strobe.train")

_FILE = "state.pt"
_TORCH_MAGIC = b"PK\x03\x04"
"""How torch's own files begin: a state that was written before states had a checksum."""
_REMEDY = "put a copy of it back, or start anew in another folder"


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
    payload = buffer.getbuffer()
    (folder / "resume").mkdir(exist_ok=True)
    with replacing(folder / "resume" / _FILE) as descriptor:
        write_all(descriptor, seal(payload))
        write_all(descriptor, payload)


def read_state(folder: Path) -> tuple[dict[str, Any], bool]:
    """(the saved state, whether a checksum stood with it and fits).

    Raises ConfigError when there is no state or it is damaged; never unpickles code.
    """
    path = folder / "resume" / _FILE
    try:
        payload, checked = unseal(path.read_bytes(), unsealed_magic=_TORCH_MAGIC)
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except FileNotFoundError:
        name = path.relative_to(folder)
        raise ConfigError(f"{folder}: has no {name} to resume from; start it without --resume") from None
    except SealError as error:
        raise ConfigError(f"{path}: is damaged: {error}; {_REMEDY}") from None
    except Exception as error:
        raise _unusable(path, error) from None
    if not isinstance(state, dict):
        raise _unusable(path, ValueError("it holds no state of a training"))
    return state, checked


def restore(folder: Path, model: GPT, optimizer: torch.optim.Optimizer) -> int:
    """Put the saved state back; returns its step. Raises ConfigError as `read_state` does, and where it does not fit.

    A state without a checksum is taken as it is, with a warning.
    """
    state, checked = read_state(folder)
    path = folder / "resume" / _FILE
    if not checked:
        log.warning("%s: has no checksum and was not checked; the next state that is saved gets one", path)
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["cpu_rng"])
        if torch.cuda.is_available() and state["cuda_rng"]:
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        return int(state["step"])
    except Exception as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: Exception) -> ConfigError:
    first = str(error).partition("\n")[0]
    return ConfigError(f"{path}: cannot be resumed from ({first:.120}); {_REMEDY}")
