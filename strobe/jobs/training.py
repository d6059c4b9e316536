"""The steps of a training job: train, read what was recorded into the store, analyze it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from strobe.jobs.job import Job, JobError

_STATE = Path("resume", "state.pt")


def training_steps(train: Sequence[str], folder: Path, store: Path) -> list[list[str]]:
    """`train` (the arguments of `strobe train ...`, less --out) into a folder, and what follows by itself."""
    return [
        [*train, "--out", str(folder)],
        ["ingest", str(folder), "--store", str(store)],
        ["analyze", str(folder), "--store", str(store)],
    ]


def study_steps(study: Sequence[str], folder: Path, store: Path) -> list[list[str]]:
    """`study` (the arguments of `strobe study memorization`, less --out and --store), and what reads one that was
    cancelled into the store; a finished one is in it by then."""
    return [
        [*study, "--out", str(folder), "--store", str(store)],
        ["ingest", str(folder), "--store", str(store)],
    ]


def analysis_steps(run: str, tables: Sequence[str], store: Path) -> list[list[str]]:
    """Filling some derived tables of a run."""
    return [["analyze", run, "--only", ",".join(tables), "--store", str(store)]]


def again(job: Job) -> tuple[list[list[str]], Path | None]:
    """The steps of a job, to be run once more, and the folder of its run.

    A training that did not finish goes on from its saved state, where it left one; otherwise it is trained into a
    folder that is free (`grok-2`), since no run is overwritten. Raises JobError while the job has not ended.
    """
    if job.state in ("queued", "running"):
        raise JobError(f"job {job.id} is {job.state}; cancel it, or wait for its end")
    if job.folder is None:
        return job.steps, None
    folder = Path(job.folder)
    if job.state != "finished" and _saved(job, folder / _STATE):
        first = job.steps[0] if "--resume" in job.steps[0] else [*job.steps[0], "--resume"]
        return [first, *job.steps[1:]], folder
    other = _free(folder)
    first = [word for word in job.steps[0] if word != "--resume"]
    steps = [first, *job.steps[1:]]
    return [[str(other) if word == job.folder else word for word in step] for step in steps], other


def _saved(job: Job, state: Path) -> bool:
    """Whether a state to resume from is this job's: one that failed since its folder had a run already is not to go
    on with that."""
    try:
        written = state.stat().st_mtime
    except OSError:
        return False
    return "--resume" in job.steps[0] or (job.started is not None and written >= job.started)


def _free(folder: Path) -> Path:
    number, found = 2, folder
    while found.exists():
        found, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return found
