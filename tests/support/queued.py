"""A queue of jobs that are small Python programs: how it is filled and worked off by a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from strobe.cli import app
from strobe.jobs.queue import Queue
from tests.support.places import ROOT

SLEEPS = ["-c", "import time; print('begun', flush=True); time.sleep(60)"]
DEAF = [
    "-c",
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('begun', flush=True); time.sleep(60)",
]
ENDS = ["-c", "print('done')"]
FAILS = ["-c", "import sys; print('what was wrong'); sys.exit(3)"]
_WORK = """
import sys
from pathlib import Path
from strobe.jobs.queue import Queue
from strobe.jobs.runner import Runner
print(Runner(Queue(Path(sys.argv[1])), float(sys.argv[2]), [sys.executable]).run())
"""


def runner(queue: Queue, grace_s: float = 30.0) -> subprocess.Popen[str]:
    """A process that works the queue off, whose jobs are the arguments of Python; it prints whether it did."""
    command = [sys.executable, "-c", _WORK, str(queue.folder.parent), str(grace_s)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def at_once(monkeypatch: pytest.MonkeyPatch, runs: Path) -> None:
    """Jobs of this process are done as they are queued, in it: by the commands, without a process for each."""

    def work(queue: Queue) -> None:
        for job in queue.jobs():
            if job.state == "queued":
                for step in job.steps:
                    done = CliRunner().invoke(app, step, catch_exceptions=False)
                    assert done.exit_code == 0, done.output
                queue.change(job.id, lambda now: replace(now, state="finished", ended=time.time()))

    monkeypatch.setenv("STROBE_RUNS", str(runs))
    monkeypatch.setattr(Queue, "start_runner", work)


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for a condition. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition never held")
        time.sleep(0.02)


def has_begun(queue: Queue, number: int) -> Callable[[], bool]:
    """Whether a job has printed that it has begun."""
    return lambda: "begun" in queue.log_tail(number)


def queue_in(folder: Path) -> Queue:
    """A queue with its folder made."""
    folder.mkdir(exist_ok=True)
    return Queue(folder)
