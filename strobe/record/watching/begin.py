"""Where a watched run begins: its folder, whether that is continued, and how many updates came before."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import Any, Literal, get_args

from etl.run.attempts import read_attempts
from etl.run.file_names import MANIFEST, list_files
from etl.run.journal import METRICS, read_metrics
from etl.run.names import run_id
from strobe.record.empty import is_empty
from strobe.record.errors import RecorderError
from strobe.record.modules.places import unwrap
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
    counted = [int(state["step"]) for state in getattr(optimizer, "state", {}).values() if "step" in state]
    return max(counted) if counted else _came_to(folder)


def recorded_at(folder: Path, step: int) -> bool:
    """Whether the run in `folder` has a snapshot of `step`."""
    return any(each == step for each, _, _ in list_files(folder))


def _came_to(folder: Path) -> int:
    ends = [attempt.end_step for attempt in read_attempts(folder) if attempt.end_step is not None]
    lines: list[int] = [row["step"] for row in read_metrics(folder / METRICS).rows]
    return max([0, *ends, *lines, *(step for step, _, _ in list_files(folder))])
