"""Runs that `strobe.watch` recorded, read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.run.file_names import list_files
from etl.run.folder import Run
from etl.run.header import manifest_hash_of
from etl.run.manifest import read
from etl.run.parts import read_parts
from etl.run.verify import verify_run


def steps(folder: Path) -> list[int]:
    """The steps that have a snapshot."""
    return [step for step, _, _ in list_files(folder)]


def recorded(folder: Path, step: int, name: str) -> npt.NDArray[Any]:
    """A tensor ("section/name") of the snapshot of a step."""
    path = next(path for at, _, path in list_files(folder) if at == step)
    return np.array(Run(folder).as_recorded(path).read(name))


def spec(folder: Path, step: int, name: str) -> dict[str, Any]:
    """What the manifest of a snapshot says of a tensor that it has or lacks."""
    path = next(path for at, _, path in list_files(folder) if at == step)
    part = next(part for part in read_parts(folder, read(folder)) if part.hash == manifest_hash_of(path))
    return next(dict(t) for t in part.raw["snapshot"]["tensors"] if t["name"] == name)


def faults(folder: Path) -> list[Any]:
    """What `strobe verify` finds wrong."""
    return [finding for finding in verify_run(folder) if finding.status == "bad"]


def trained(model: Any, optimizer: Any, loss: Callable[[int], Any], count: int) -> list[float]:
    """The losses of `count` plain steps."""
    losses = []
    for step in range(count):
        optimizer.zero_grad()
        value = loss(step)
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    return losses
