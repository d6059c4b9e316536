"""The runner, with real processes: order, failure, cancelling, and its own sudden death."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from strobe.jobs.job import UNKNOWN_END, Job, JobError
from strobe.jobs.queue import Queue
from strobe.jobs.runner import Runner
from tests.support.queued import DEAF, ENDS, FAILS, SLEEPS, has_begun, queue_in, runner, until


def test_jobs_run_in_order_and_a_failed_one_stops_no_other(tmp_path: Path) -> None:
    queue = queue_in(tmp_path / "runs")
    for steps in ([ENDS, ENDS], [FAILS, ENDS], [ENDS]):
        queue.add(steps, start=False)
    assert runner(queue).communicate(timeout=60)[0].strip() == "True"
    first, failed, last = queue.jobs()
    assert [job.state for job in (first, failed, last)] == ["finished", "failed", "finished"]
    assert failed.code == 3
    assert failed.at == 0
    assert queue.log_tail(failed.id)[-1] == "what was wrong"
    assert queue.log_tail(first.id).count("done") == 2
    assert None not in (first.ended, last.started)
    assert (first.ended or 0) <= (failed.started or 0) <= (failed.ended or 0) <= (last.started or 0)


def test_a_second_runner_leaves_at_once_and_a_second_job_waits(tmp_path: Path) -> None:
    queue = queue_in(tmp_path / "runs")
    one, two = (queue.add([step], start=False).id for step in (SLEEPS, ENDS))
    working = runner(queue)
    until(has_begun(queue, one))
    assert runner(queue).communicate(timeout=60)[0].strip() == "False"
    assert queue.at_work()
    assert [job.state for job in queue.jobs()] == ["running", "queued"]
    queue.cancel(one)
    working.communicate(timeout=60)
    assert [queue.job(number).state for number in (one, two)] == ["cancelled", "finished"]
    assert not queue.at_work()


def test_what_does_not_hear_sigint_gets_sigterm_after_the_grace(tmp_path: Path) -> None:
    queue = queue_in(tmp_path / "runs")
    job = queue.add([DEAF, ENDS], start=False)
    working = runner(queue, grace_s=0.3)
    until(has_begun(queue, job.id))
    queue.cancel(job.id)
    working.communicate(timeout=60)
    assert queue.job(job.id).state == "cancelled"
    assert "done" not in queue.log_tail(job.id)


def test_a_killed_runner_is_noticed_and_the_next_waits_for_the_process_it_left(tmp_path: Path) -> None:
    queue = queue_in(tmp_path / "runs")
    left, then = (queue.add([step], start=False).id for step in (SLEEPS, ENDS))
    killed = runner(queue)
    until(has_begun(queue, left))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert queue.job(left).state == "running"  # its process is: nobody else may begin
    following = runner(queue)
    until(queue.at_work)
    assert queue.job(then).state == "queued"
    queue.cancel(left)
    following.communicate(timeout=60)
    assert (queue.job(left).state, queue.job(left).reason) == ("interrupted", UNKNOWN_END)
    assert queue.job(then).state == "finished"


def test_a_job_whose_runner_and_process_are_gone_is_interrupted_not_running(tmp_path: Path) -> None:
    queue = queue_in(tmp_path / "runs")
    number = queue.add([SLEEPS], start=False).id
    killed = runner(queue)
    until(lambda: queue.job(number).child)
    child = queue.job(number).child
    assert child is not None
    killed.kill()
    killed.communicate()
    queue.cancel(number)
    until(lambda: not child.runs)
    assert queue.job(number).state == "interrupted"
    with pytest.raises(JobError, match="is interrupted; only one that is queued or running"):
        queue.cancel(number)


def test_a_job_that_cannot_be_started_fails_and_stops_no_other(tmp_path: Path) -> None:
    queue = queue_in(tmp_path / "runs")
    gone, then = (queue.add([ENDS], start=False) for _ in range(2))
    with queue.changing():
        queue.write(replace(gone, cwd=str(tmp_path / "gone")))
    runner(queue).communicate(timeout=60)
    assert queue.job(gone.id).state == "failed"
    assert "could not be started" in (queue.job(gone.id).reason or "")
    assert queue.job(then.id).state == "finished"


def test_a_job_file_that_is_damaged_while_its_job_runs_stops_no_other(tmp_path: Path) -> None:
    queue = queue_in(tmp_path / "runs")
    first, then = (
        queue.add([step], start=False)
        for step in (["-c", "import time; print('begun', flush=True); time.sleep(2)"], ENDS)
    )
    working = runner(queue)
    until(has_begun(queue, first.id))
    (queue.folder / "000001.json").write_text("{")
    assert working.communicate(timeout=60)[0].strip() == "True"
    assert queue.damaged()[0].startswith("000001.json: no job")
    assert queue.job(then.id).state == "finished"


def test_what_a_full_disk_refused_is_written_down_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = queue_in(tmp_path / "runs")
    number = queue.add([ENDS], start=False).id
    write, refused = Queue.write, [0]

    def full_for_a_while(self: Queue, job: Job) -> None:
        if job.state == "finished" and refused[0] < 3:
            refused[0] += 1
            raise OSError(28, "No space left on device")
        write(self, job)

    monkeypatch.setattr(Queue, "write", full_for_a_while)
    assert Runner(queue, program=[sys.executable]).run()
    assert refused == [3]
    assert queue.job(number).state == "finished"
