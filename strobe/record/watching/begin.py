"""Where a watched run begins: its folder, whether that is continued, and how many updates came before."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from etl.run.file_names import MANIFEST, has_step
from etl.run.names import run_id
from strobe.record.empty import is_empty
from strobe.record.errors import RecorderError
from strobe.record.modules.places import unwrap
from strobe.record.order import Clock, UpdateClock, updates_of
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


class Begun(NamedTuple):
    """Where a watched run begins: its folder, whether it is continued, what counts its updates, and the step that it
    is continued from, where that has a snapshot."""

    place: Path
    again: bool
    clock: Clock
    lost: int | None


def begin(place: Path, optimizer: Any, resume: Resume, updates: int | None) -> Begun:
    """Raises RecorderError where a run must be continued and there is none."""
    again = resumed(place, resume)
    before = updates_before(place, optimizer) if again and updates is None else updates or 0
    clock = UpdateClock(optimizer, before) if optimizer is not None else Clock(before, "after_update")
    return Begun(place, again, clock, before if again and has_step(place, before) else None)
