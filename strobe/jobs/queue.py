"""The queue: a folder of job files, changed under one lock; who queues starts the runner where none is at work."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from etl.locks import locked
from etl.replacing import replacing, write_all
from strobe.jobs import processes
from strobe.jobs.job import Job, JobError, Process

FOLDER = ".jobs"
"""Beside the runs; its dot keeps it out of what ingest reads."""
_NAME = re.compile(r"([0-9]{6,15})\.json")
_RUNNER = "runner.json"
_TAIL_BYTES = 65_536
_MOST_BYTES = 1_000_000
"""Of a job file."""


class Queue:
    """The jobs of one folder of runs. Every change is a whole file, made under the queue's lock."""

    def __init__(self, runs: Path) -> None:
        self.folder = runs.absolute() / FOLDER

    def changing(self) -> AbstractContextManager[None]:
        """Hold the queue while a job is added, changed, or taken. Raises OSError where it cannot be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return locked(self.folder / "changes.lock")

    def jobs(self) -> list[Job]:
        """Every job as it is now, the oldest first; a file that is no job is passed over (`damaged`)."""
        found = []
        for number in self._numbers():
            try:
                found.append(self._read(number))
            except JobError:
                continue
        return found

    def damaged(self) -> list[str]:
        """The job files that cannot be read, each with what is wrong with it."""
        said = []
        for number in self._numbers():
            try:
                self._read(number)
            except JobError as error:
                said.append(f"{_file(number)}: {error}")
        return said

    def _read(self, number: int) -> Job:
        """Raises JobError for what is no job, or another's."""
        try:
            with (self.folder / _file(number)).open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise JobError(f"cannot be read ({error.strerror})") from None
        if len(data) > _MOST_BYTES:
            raise JobError(f"no job: it has more than {_MOST_BYTES:,} bytes")
        job = Job.decode(data)
        if job.id != number:
            raise JobError(f"no job: it says that it is job {job.id}")
        return job.as_found()

    def _numbers(self) -> list[int]:
        return sorted(int(found[1]) for found in map(_NAME.fullmatch, self._names()) if found)

    def _names(self) -> list[str]:
        try:
            return [path.name for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        except OSError:
            return []

    def job(self, number: int) -> Job:
        """One job as it is now. Raises JobError where there is none."""
        try:
            return self._read(number)
        except JobError as error:
            if number in self._numbers():
                raise JobError(f"job {number}: {error}") from None
        there = ", ".join(str(job.id) for job in self.jobs()[-10:]) or "none"
        raise JobError(f"there is no job {number}; there are: {there} (`strobe jobs list`)")

    def add(self, steps: Sequence[Sequence[str]], *, folder: Path | None = None, start: bool = True) -> Job:
        """Queue commands, each the arguments of `strobe`, to be run here one after another.

        `start` starts the runner, which ends by itself when nothing is queued. Raises OSError where the queue cannot
        be written.
        """
        with self.changing():
            job = Job(
                id=max(self._numbers(), default=0) + 1,
                steps=[list(step) for step in steps],
                cwd=str(Path.cwd()),
                folder=str(folder) if folder is not None else None,
                queued=time.time(),
            )
            self.write(job)
        if start:
            self.start_runner()
        return job

    def write(self, job: Job) -> None:
        """Replace the file of a job; the caller holds `changing`."""
        with replacing(self.folder / _file(job.id)) as descriptor:
            write_all(descriptor, job.encode())

    def change(self, number: int, change: Callable[[Job], Job]) -> Job:
        """Change one job as it is now. Raises JobError where there is none, or `change` refuses."""
        with self.changing():
            job = change(self.job(number))
            self.write(job)
        return job

    def cancel(self, number: int) -> Job:
        """End a job: one that is queued at once, one that runs by its runner, by SIGINT first.

        Raises JobError where it has ended.
        """
        job = self.change(number, _cancelled)
        if job.state == "running" and job.child and not (job.runner and job.runner.runs):
            processes.signal_group(job.child.pid, job.child.born, signal.SIGINT)
        return job

    def log_path(self, number: int) -> Path:
        """What the commands of a job print, both streams."""
        return self.folder / f"{number:06d}.log"

    def log_tail(self, number: int, lines: int = 20) -> list[str]:
        """The last lines of a job's log; none where it has not begun."""
        try:
            with self.log_path(number).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return file.read().decode(errors="replace").splitlines()[-lines:]
        except OSError:
            return []

    def start_runner(self) -> None:
        """Start a runner in a session of its own, so that it outlives us; it ends at once where one is at work."""
        with (self.folder / "runner.log").open("ab") as log:
            runner = subprocess.Popen(
                [sys.executable, "-m", "strobe.jobs.runner", str(self.folder.parent)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
            )  # fmt: skip
        # A server lives longer than its runners, and would collect them as zombies.
        threading.Thread(target=runner.wait, daemon=True).start()

    def sign(self, runner: Process) -> None:
        """Say which process the runner is; the caller holds `changing`."""
        with replacing(self.folder / _RUNNER) as descriptor:
            write_all(descriptor, json.dumps({"pid": runner.pid, "born": runner.born}).encode())

    def at_work(self) -> bool:
        """Whether a runner is alive."""
        try:
            said = json.loads((self.folder / _RUNNER).read_bytes())
            return Process(int(said["pid"]), said["born"]).runs
        except (OSError, ValueError, TypeError, KeyError):
            return False


def _file(number: int) -> str:
    return f"{number:06d}.json"


def _cancelled(job: Job) -> Job:
    if job.state == "queued":
        return replace(job, state="cancelled", cancel=True, ended=time.time())
    if job.state == "running":
        return replace(job, cancel=True)
    raise JobError(f"job {job.id} is {job.state}; only one that is queued or running can be cancelled")
