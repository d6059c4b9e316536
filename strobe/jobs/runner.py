"""The one runner of a queue: takes its jobs one after another, and ends when none is left.

A runner that is killed leaves its job's process to itself. The next one waits for that process, so that two jobs
never compete, and says that the job was interrupted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from etl.locks import try_lock
from strobe.jobs import processes
from strobe.jobs.following import Follower
from strobe.jobs.job import UNKNOWN_END, Job, JobError, Process, State
from strobe.jobs.queue import Queue

GRACE_S = 60.0
"""What a cancelled command has after SIGINT to end by itself, then after SIGTERM, before SIGKILL."""
PROGRAM = (sys.executable, "-m", "strobe")
_POLL_S = 0.2
_TRIES = 300
"""A minute, on a disk that is full."""
_KEPT_AFTER_CANCEL = ("ingest",)
"""Steps that still follow one that was cancelled: what it recorded until then is to be seen."""


class Runner:
    """Works a queue off, as the only process that does."""

    def __init__(self, queue: Queue, grace_s: float = GRACE_S, program: Sequence[str] = PROGRAM) -> None:
        """`program` is what the steps of a job are the arguments of."""
        self._program = program
        self._queue, self._grace_s = queue, grace_s
        self._lock: int | None = None
        self._me = Process.of(os.getpid())

    def run(self) -> bool:
        """Run jobs until none is queued; False where another runner is at work, which will see to them."""
        with self._queue.changing():
            self._lock = try_lock(self._queue.folder / "runner.lock")
            if self._lock is None:
                return False
            self._queue.sign(self._me)
        self._see_to_orphans()
        while (job := self._take()) is not None:
            self._work(job)
        return True

    def _take(self) -> Job | None:
        """The oldest queued job, now ours; where there is none, the lock is let go before anybody can queue one."""
        with self._queue.changing():
            queued = [job for job in self._queue.jobs() if job.state == "queued"]
            if not queued:
                os.close(self._lock or 0)
                self._lock = None
                return None
            job = replace(queued[0], state="running", started=time.time(), runner=self._me)
            self._queue.write(job)
        return job

    def _see_to_orphans(self) -> None:
        """End what runners before us left: wait for their processes, and write down what nobody saw the end of."""
        for job in self._queue.jobs():
            if job.state == "running" and job.child is not None:
                self._wait(job.id, job.child)
                self._end(job.id, "interrupted", UNKNOWN_END)
            elif job.state == "interrupted" and job.ended is None:
                self._end(job.id, "interrupted", UNKNOWN_END)

    def _wait(self, number: int, child: Process, popen: subprocess.Popen[bytes] | None = None) -> None:
        """Until the process has ended; where the job is cancelled meanwhile, it is told so, ever more firmly. What it
        records is read into the store meanwhile."""
        signals = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
        due = 0.0
        with Follower(self._queue, number, self._program) as follower:
            while child.runs if popen is None else popen.poll() is None:
                follower.look()
                if signals and self._wants_end(number) and time.monotonic() >= due:
                    processes.signal_group(child.pid, child.born, signals.pop(0))
                    due = time.monotonic() + self._grace_s
                time.sleep(_POLL_S)

    def _wants_end(self, number: int) -> bool:
        """Whether somebody asked for the end of a job; nobody did whose file is gone or damaged."""
        try:
            return self._queue.job(number).cancel
        except JobError:
            return False

    def _work(self, job: Job) -> None:
        for at, step in enumerate(job.steps):
            was_cancelled = self._wants_end(job.id)
            if was_cancelled and step[0] not in _KEPT_AFTER_CANCEL:
                continue
            try:
                code = self._step(job, at, step, heed=not was_cancelled)
            except (OSError, ValueError) as error:
                self._end(job.id, "failed", f"strobe {step[0]} could not be started ({error})")
                return
            if code and not self._wants_end(job.id):
                self._end(job.id, "failed", _reason(step, code), code)
                return
        self._end(job.id, "cancelled" if self._wants_end(job.id) else "finished")

    def _step(self, job: Job, at: int, step: list[str], *, heed: bool) -> int:
        """Run one command to its end; its exit code. `heed` the wish to cancel, which for a step that follows a
        cancelled one is spent. Raises OSError or ValueError where it cannot be started."""
        with self._queue.log_path(job.id).open("ab") as log:
            log.write(f"$ strobe {' '.join(step)}\n".encode(errors="replace"))
            log.flush()
            popen = subprocess.Popen(
                [*self._program, *step],
                cwd=job.cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        child = Process.of(popen.pid)
        self._change(job.id, lambda now: replace(now, at=at, child=child))
        if heed:
            self._wait(job.id, child, popen)
        return popen.wait()

    def _end(self, number: int, state: State, reason: str | None = None, code: int | None = None) -> None:
        self._change(
            number, lambda job: replace(job, state=state, reason=reason, code=code, ended=time.time(), child=None)
        )

    def _change(self, number: int, change: Callable[[Job], Job]) -> None:
        """Change a job, once there is room for it on the disk; one whose file is gone or damaged is left so."""
        for _ in range(_TRIES):
            try:
                self._queue.change(number, change)
            except JobError:
                return
            except OSError:
                time.sleep(_POLL_S)
            else:
                return


def _reason(step: list[str], code: int) -> str:
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"strobe {step[0]} {how}"


def main() -> None:
    """`python -m strobe.jobs.runner RUNS`."""
    # A shell's background job ignores SIGINT, and would leave that to what it starts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    Runner(Queue(Path(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
