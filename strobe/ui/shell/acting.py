"""What the app starts, cancels and runs again. Whether this session may is asked here, where it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import streamlit as st

from etl.errors import StrobeError
from etl.run.names import candidates, run_id
from strobe.jobs.job import Job
from strobe.jobs.queue import Queue
from strobe.jobs.training import again, analysis_steps, study_steps, training_steps
from strobe.launch.asking import Asked, AskedError, asked
from strobe.launch.machine import machine
from strobe.launch.programs import PROGRAMS
from strobe.settings import runs_path, store_path
from strobe.ui.shell import writing
from strobe.ui.shell.words import inert

T = TypeVar("T")
OFF = "Writing is off in this session: open the address that the server printed, token and all."


class OffError(StrobeError):
    """A session that may not write asks for something to be written."""


def queue() -> Queue:
    """That of the folder of runs."""
    return Queue(runs_path())


def start(program: str, preset: str, typed: Mapping[str, str], name: str) -> Job:
    """Queue a training. Raises AskedError for what cannot be trained, StrobeError, and OSError where the queue cannot
    be written."""
    _may()
    if program not in PROGRAMS:
        raise StrobeError("there is no such training")
    wanted = asked(PROGRAMS[program], preset, typed)
    if machine().torch is None:
        raise StrobeError(machine().sentence)
    folder = free_folder(name)
    store = store_path().absolute()
    made = (study_steps if program == "study" else training_steps)(wanted.words, folder, store)
    return queue().add(made, folder=folder)


def free_folder(name: str) -> Path:
    """The folder of a run to be: directly in the folder of runs, and neither there nor queued. Raises AskedError."""
    if run_id(name) != name:
        raise AskedError({"name": f"a run cannot be called {name[:64]!r}; call it {run_id(name)}"})
    folder = runs_path().absolute() / name
    if folder.exists() or folder.is_symlink():
        raise AskedError({"name": f"there is a run called {name}; call this one {free_name(name)}"})
    if any(job.folder == str(folder) for job in queue().jobs() if job.state in ("queued", "running")):
        raise AskedError({"name": f"a run called {name} is queued; call this one {free_name(name)}"})
    return folder


def free_name(name: str) -> str:
    """This one, or the next that no run has, there or queued."""
    taken = {Path(job.folder).name for job in queue().jobs() if job.folder and job.state in ("queued", "running")}
    return next(one for one in candidates(name) if one not in taken and not (runs_path() / one).exists())


def analyse(run: str, tables: Sequence[str]) -> Job:
    """Queue the analysis of a run. Raises StrobeError, and OSError where the queue cannot be written."""
    _may()
    return queue().add(analysis_steps(run, tables, store_path().absolute()))


def cancel(number: int) -> Job:
    """Raises StrobeError, and OSError where the queue cannot be written."""
    _may()
    return queue().cancel(number)


def rerun(number: int) -> Job:
    """Queue a job once more. Raises StrobeError, and OSError where the queue cannot be written."""
    _may()
    steps, folder = again(queue().job(number))
    return queue().add(steps, folder=folder)


def start_runner() -> None:
    """Raises StrobeError, and OSError where the queue cannot be written."""
    _may()
    queue().start_runner()


def done(act: Callable[[], T]) -> T | None:
    """What an action gives; None where it was refused, which is said."""
    try:
        return act()
    except (StrobeError, OSError) as error:
        st.error(inert(f"The queue cannot be written ({error})" if isinstance(error, OSError) else str(error), 600))
        return None


def _may() -> None:
    if not writing.on():
        raise OffError(OFF)


__all__ = ["Asked", "OffError", "analyse", "cancel", "done", "free_name", "queue", "rerun", "start", "start_runner"]
