"""The files of a queue: what is written is read, damage is passed over, and what is asked of a job is checked."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from strobe.jobs import processes
from strobe.jobs.job import Job, JobError, Process
from strobe.jobs.queue import Queue
from strobe.jobs.training import again, training_steps

JOB = Job(id=1, steps=[["train", "modadd"]], cwd="/", queued=1.0)


@given(data=some.binary(max_size=80) | some.text(max_size=80).map(str.encode))
def test_bytes_that_are_no_job_are_refused(data: bytes) -> None:
    with pytest.raises(JobError, match="no job"):
        Job.decode(data)


@given(at=some.integers(0, len(JOB.encode())), bits=some.integers(1, 255))
def test_a_changed_byte_is_a_job_or_refused(at: int, bits: int) -> None:
    data = bytearray(JOB.encode() + b" ")
    data[at] ^= bits
    with contextlib.suppress(JobError):
        Job.decode(bytes(data)).encode()


def test_a_job_is_read_as_it_was_written() -> None:
    whole = replace(JOB, state="running", runner=Process.of(os.getpid()), folder="/runs/a", cancel=True)
    assert Job.decode(whole.encode()) == whole
    assert whole.as_found().state == "running"


def test_a_number_that_was_given_to_another_process_is_not_taken_for_it() -> None:
    assert processes.runs(os.getpid(), processes.birth(os.getpid()))
    assert not processes.runs(os.getpid(), "another moment")
    other = replace(JOB, state="running", runner=Process(os.getpid(), "another moment"))
    assert other.as_found().state == "interrupted"


def test_jobs_queued_at_once_each_have_a_number_of_their_own(tmp_path: Path) -> None:
    adding = [
        threading.Thread(target=Queue(tmp_path).add, args=([["ingest"]],), kwargs={"start": False}) for _ in range(8)
    ]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()
    assert [job.id for job in Queue(tmp_path).jobs()] == list(range(1, 9))


def test_a_queued_job_is_cancelled_at_once_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    number = queue.add([["ingest"]], start=False).id
    assert queue.cancel(number).state == "cancelled"
    with pytest.raises(JobError, match="there is no job 7; there are: 1"):
        queue.cancel(7)
    (queue.folder / "000002.json").write_text("{")
    assert [job.id for job in queue.jobs()] == [1]


def test_a_rerun_goes_on_where_a_state_was_saved_and_elsewhere_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / "grok"
    steps = training_steps(["train", "modadd"], folder, tmp_path / "store")
    ended = replace(JOB, steps=steps, folder=str(folder), state="cancelled", started=time.time() - 60)
    assert again(ended) == (steps, folder)
    (folder / "resume").mkdir(parents=True)
    elsewhere, other = again(ended)
    assert other == tmp_path / "grok-2"
    assert [step[:2] for step in elsewhere][1:] == [["ingest", str(other)], ["analyze", str(other)]]
    (folder / "resume" / "state.pt").touch()
    assert again(ended) == ([[*steps[0], "--resume"], *steps[1:]], folder)
    assert again(replace(ended, state="finished"))[1] == tmp_path / "grok-2"
    # One that failed since another's run was there.
    assert again(replace(ended, state="failed", started=time.time() + 60))[1] == tmp_path / "grok-2"
    with pytest.raises(JobError, match="is running"):
        again(replace(ended, state="running"))
