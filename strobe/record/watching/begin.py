"""Where a watched run begins: its folder, whether that is continued, and how many updates came before."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import Any, Literal, get_args

from etl.run.file_names import MANIFEST
from etl.run.names import run_id
from strobe.record.empty import is_empty
from strobe.record.errors import RecorderError
from strobe.record.modules.places import unwrap
from strobe.record.order import updates_of
from strobe.record.reached import came_to
from strobe.settings import runs_path

Resume = Literal["never", "allow", "must"]


def folder_for(folder: str | os.PathLike[str] | None, model: Any) -> Path:
    """The folder of a run: as given, or one under `$STROBE_RUNS`, else `./runs`, called after the model and the
    moment."""
    if folder is not None:
        return Path(folder)
    name = f"{type(unwrap(model)).__name__}-{time.strftime('%Y%m%d-%H%M%S')}"
    return free_folder(runs_path() / run_id(name))


def free_folder(first: Path) -> Path:
    """`first`, or the same name with -2, -3, ... where something lies there."""
    numbered = (first.with_name(f"{first.name}-{number}") for number in itertools.count(2))
    return first if not first.exists() else next(path for path in numbered if not path.exists())


def resumed(folder: Path, resume: str) -> bool:
    """Whether the run in `folder` is to be continued. Raises RecorderError where it must be and there is none."""
    if resume not in get_args(Resume):
        raise RecorderError(f"resume is {resume!r:.40}; give one of {', '.join(get_args(Resume))}")
    there = (folder / MANIFEST).exists() and not is_empty(folder)
    if resume == "must" and not there:
        raise RecorderError(f'{folder}: holds no run to resume; start it with resume="allow" or "never"')
    return there and resume != "never"


def updates_before(folder: Path, optimizer: Any) -> int:
    """How many updates a continued run has behind it: as the optimizer's loaded state counts them, else as far as the
    run in `folder` came."""
    counted = updates_of(optimizer)
    return came_to(folder) if counted is None else counted
