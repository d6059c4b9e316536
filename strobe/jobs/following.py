"""What reads a run into the store while it is recorded, and ends with the process that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from etl.run.file_names import MANIFEST
from strobe.jobs.job import Job, JobError
from strobe.jobs.queue import Queue

_GRACE_S = 20.0
_POLL_S = 0.5
_EVERY_S = "2"
"""Seconds between two looks at a run."""


class Follower:
    """Beside a step of a job, the `ingest` that comes after it: with --watch, from the run's first file on."""

    def __init__(self, queue: Queue, number: int, program: Sequence[str]) -> None:
        self._queue, self._number, self._program = queue, number, program
        self._process: subprocess.Popen[bytes] | None = None
        self._job: Job | None = None
        with contextlib.suppress(JobError):
            self._job = queue.job(number)
        self._ingest = _ingest_after(self._job) if self._job else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            _end(self._process)

    def look(self) -> None:
        """Begin to follow, once there is a run to read. One that ended by itself is not begun again."""
        job = self._job
        if self._process or self._ingest is None or job is None or not (Path(job.folder or "") / MANIFEST).is_file():
            return
        command = [
            sys.executable, "-m", "strobe.jobs.following", str(os.getpid()), *self._program,
            *self._ingest, "--watch", "--every", _EVERY_S,
        ]  # fmt: skip
        with (self._queue.folder / f"{self._number:06d}.ingest.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=job.cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                start_new_session=True,
            )  # fmt: skip


def _ingest_after(job: Job) -> list[str] | None:
    if job.folder is None:
        return None
    return next((step for step in job.steps[job.at + 1 :] if step[0] == "ingest"), None)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
            return


def main() -> None:
    """`python -m strobe.jobs.following PARENT COMMAND...`: runs a command until it ends, or PARENT has ended."""
    parent = int(sys.argv[1])
    # Not ignored, which the command would take over from us: it has the signal from its group.
    signal.signal(signal.SIGINT, lambda *_: None)
    command = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
    while command.poll() is None:
        if os.getppid() != parent:
            command.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                command.wait(_GRACE_S)
            command.kill()
        time.sleep(_POLL_S)


if __name__ == "__main__":
    main()
