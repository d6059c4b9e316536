"""What is read beside a job: begun with the run's first file, ended with the step, and with the runner."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from strobe.jobs import processes
from strobe.jobs.curve import Curve
from strobe.jobs.queue import Queue
from tests.support.queued import queue_in, runner, until

NOTE = """
import os, signal, sys, time
open({at!r}, "a").write(f"{{os.getpid()}} {{sys.argv[1:]}}\\n")
if "--watch" in sys.argv:
    time.sleep(60)
"""
TRAIN = "import pathlib, sys, time; f = pathlib.Path(sys.argv[1]); f.mkdir(parents=True); time.sleep(0.5); " \
    "(f / 'manifest.json').write_text('x'); print('begun', flush=True); time.sleep({last})"  # fmt: skip


def following(tmp_path: Path, last: float) -> tuple[Queue, Path, Path]:
    """A queue with a job that writes a manifest, works for `last` seconds, and is then read by `ingest`, which here
    is a script that notes how it was called."""
    queue, folder, said = queue_in(tmp_path / "runs"), tmp_path / "runs" / "a", tmp_path / "said"
    (tmp_path / "ingest").write_text(NOTE.format(at=str(said)))
    queue.add([["-c", TRAIN.format(last=last), str(folder)], ["ingest", "it"]], folder=folder, start=False)
    return queue, folder, said


def calls(said: Path) -> list[tuple[int, str]]:
    lines = said.read_text().splitlines() if said.exists() else []
    return [(int(line.partition(" ")[0]), line.partition(" ")[2]) for line in lines]


def test_a_run_is_followed_while_it_is_recorded_and_read_once_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, _, said = following(tmp_path, 3)
    monkeypatch.chdir(tmp_path)
    job = queue.job(1)
    with queue.changing():
        queue.write(type(job).decode(job.encode().replace(job.cwd.encode(), str(tmp_path).encode())))
    working = runner(queue)
    assert working.communicate(timeout=60)[0].strip() == "True"
    assert queue.job(1).state == "finished"
    (watching, how), (_, last) = calls(said)
    assert how == "['it', '--watch', '--every', '2']"
    assert last == "['it']"
    assert not processes.birth(watching)


def test_what_follows_ends_with_its_runner(tmp_path: Path) -> None:
    queue, _, said = following(tmp_path, 60)
    job = queue.job(1)
    with queue.changing():
        queue.write(type(job).decode(job.encode().replace(job.cwd.encode(), str(tmp_path).encode())))
    killed = runner(queue)
    until(lambda: calls(said))
    ((watching, _),) = calls(said)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    until(lambda: not processes.birth(watching))
    child = queue.job(1).child
    assert child is not None
    os.killpg(child.pid, signal.SIGKILL)


def test_a_curve_reads_what_was_written_since_and_keeps_few_points(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    curve = Curve(log)
    curve.look()
    assert curve.last == {}
    with log.open("w") as file:
        for step in range(5_000):
            file.write(json.dumps({"step": step, "time": 1.0, "train_loss": 1 / (1 + step)}) + "\n")
            if step == 1_000:
                file.write("not a line\n" + '{"step": 1, "train_loss": "NaN"}\n')
                file.flush()
                curve.look()
                at = curve.offset
                assert 900 < curve.last["train_loss"][0] <= 1_000
        file.write('{"step": 5000, "time": 1.0, "tra')
    curve.look()
    assert at < curve.offset < log.stat().st_size
    assert curve.last["train_loss"] == (4_999, 1 / 5_000)
    points = curve.points["train_loss"]
    assert 200 <= len(points) <= 401
    assert points[0] == (0, 1.0)
    assert points == sorted(points)
