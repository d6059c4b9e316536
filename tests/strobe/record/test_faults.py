"""What can go wrong under a recorder: the training goes on, and what is on disk stays sound."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.run.attempts import read_attempts
from etl.run.folder import Run
from etl.run.journal import METRICS, read_metrics
from etl.run.verify import verify_run
from strobe.record import LockedError, Recorder, RecorderError
from strobe.record.lock import LOCK
from tests.support.effort import tries

PROGRAM = textwrap.dedent("""
    import signal, sys, time, numpy as np
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    from strobe.record import Recorder
    folder, steps, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    x = np.zeros(20_000, np.float32)
    with Recorder(folder, [("x", "params", ("channel",), x)], when_full="wait") as recorder:
        print("began", flush=True)
        for step in range(steps):
            x[:] = step
            recorder.snapshot(step)
            recorder.log(step, train_loss=float(step))
            time.sleep(pause)
""")


def start(folder: Path, steps: int = 1_000_000, pause: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(folder), str(steps), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def sound(folder: Path) -> bool:
    return all(finding.status != "bad" for finding in verify_run(folder))


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.glob(".*.tmp")]


def training(folder: Path, steps: int = 6, size: int = 8, **options: Any) -> tuple[list[float], Recorder]:
    """A loop whose losses must not depend on whether recording works."""
    x, losses = np.ones(size, np.float32), []
    with Recorder(folder, [("x", "params", ("channel",), x)], when_full="wait", **options) as recorder:
        for step in range(steps):
            losses.append(float(x.sum()))
            recorder.log(step, train_loss=losses[-1])
            recorder.snapshot(step)
            x *= np.float32(0.9)
    return losses, recorder


CALLS = ("open", "write", "fsync", "rename", "close")
REAL = {name: getattr(os, name) for name in CALLS}


@pytest.fixture
def fail_calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int, int], None]]:
    """fail(name, nth, code): the nth call from now on of os.<name> by the recorder's thread raises OSError(code)."""

    def fail(name: str, nth: int, code: int) -> None:
        import threading

        count = 0

        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            if threading.current_thread().name == "strobe-recorder":
                count += 1
                if count == nth:
                    if name == "close":
                        REAL["close"](*args)
                    raise OSError(code, os.strerror(code))
            return REAL[name](*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    yield fail
    monkeypatch.undo()


@pytest.mark.parametrize("name", CALLS)
def test_any_one_failing_call_costs_at_most_its_own_snapshot(
    tmp_path: Path, name: str, fail_calls: Callable[[str, int, int], None], caplog: pytest.LogCaptureFixture
) -> None:
    expected, _ = training(tmp_path / "whole")
    for nth in (1, 2, 3, 5, 8, 13):
        folder = tmp_path / f"{name}{nth}"
        fail_calls(name, nth, errno.EIO)
        caplog.clear()
        losses, recorder = training(folder)
        fail_calls(name, -1, 0)
        assert losses == expected
        assert sound(folder)
        assert leftovers(folder) == []
        status = recorder.status
        assert status.recorded + status.missed == 6
        assert status.missed <= 1
        metrics = read_metrics(folder / "metrics.jsonl").rows
        assert [row["step"] for row in metrics] == list(range(6)), "metric lines are tried again"
        if status.missed:
            assert sum("could not be recorded" in line for line in caplog.messages) == 1


def test_a_full_disk_is_survived_and_recording_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected, _ = training(tmp_path / "whole", 40)
    full = True

    def write(descriptor: int, data: Any) -> int:
        if full:
            # As a real disk does: part of it fits.
            taken = REAL["write"](descriptor, bytes(data)[: len(data) // 2])
            if taken == 0 or len(data) < 100:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(taken)
        return int(REAL["write"](descriptor, data))

    x, losses = np.ones(8, np.float32), []
    with Recorder(tmp_path / "r", [("x", "params", ("channel",), x)], when_full="wait") as recorder:
        monkeypatch.setattr(os, "write", write)
        for step in range(40):
            if step == 30:
                while recorder.status.missed < 30:
                    time.sleep(0.01)
                full = False
            losses.append(float(x.sum()))
            recorder.log(step, train_loss=losses[-1])
            recorder.snapshot(step)
            x *= np.float32(0.9)
    monkeypatch.undo()
    assert losses == expected
    assert recorder.status.missed == 30
    assert "No space left" in str(recorder.status.last_error)
    assert Run(tmp_path / "r").steps() == list(range(30, 40))
    assert sound(tmp_path / "r")
    assert leftovers(tmp_path / "r") == []
    steps = {row["step"] for row in read_metrics(tmp_path / "r" / "metrics.jsonl").rows}
    assert steps == set(range(40)), "lines wait for space"
    assert len(caplog.messages) <= 5


def test_what_was_flushed_survives_a_kill(tmp_path: Path) -> None:
    """Without the flush the lines of the last quarter of a second are gone."""
    folder = tmp_path / "r"
    code = textwrap.dedent(f"""
        import os, signal, numpy as np
        from strobe.record import Recorder
        recorder = Recorder({str(folder)!r}, [("x", "params", ("a",), np.zeros(3))], queue=8)
        for step in range(8):
            recorder.snapshot(step)
            recorder.log(step, a=1.0)
        assert recorder.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert Run(folder).steps() == list(range(8))
    assert [row["step"] for row in read_metrics(folder / "metrics.jsonl").rows] == list(range(8))


def test_a_source_that_raises_is_a_missed_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = True

    def source() -> np.ndarray[Any, Any]:
        if broken:
            raise RuntimeError("CUDA out of memory")
        return np.ones(3, np.float32)

    from strobe.record import TensorSpec

    spec = TensorSpec("x", "params", ("channel",), source, (3,), "float32")
    with caplog.at_level(logging.WARNING), Recorder(tmp_path / "r", [spec]) as recorder:
        assert recorder.snapshot(0) is False
        assert recorder.snapshot(1) is False
        broken = False
        assert recorder.snapshot(2) is True
        assert recorder.snapshot(2) is False, "a step is recorded once in an attempt"
    assert Run(tmp_path / "r").steps() == [2]
    assert recorder.status.missed == 3
    assert "CUDA out of memory" in caplog.text


@pytest.mark.parametrize("step", [-1, 2**53 + 1, 2**63 - 1])
def test_a_step_that_no_reader_takes_is_counted_and_no_line_says_it(
    tmp_path: Path, step: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Recorder(tmp_path / "r", [("x", "params", ("channel",), np.ones(3, np.float32))]) as recorder:
        recorder.log(2**53, loss=1.0)
        recorder.log(step, loss=2.0)
        assert recorder.snapshot(step) is False
    assert "a step is not from 0 to 2^53" in caplog.text
    assert recorder.status.missed == 1
    run = Run(tmp_path / "r")
    assert [row["step"] for row in read_metrics(run.folder / METRICS).rows] == [2**53]
    assert run.steps() == []


def test_axes_without_names_later_on_are_a_missed_step(tmp_path: Path) -> None:
    shapes = iter([(3,), (3,), (4, 3), (3,)])
    spec = ("x", "params", ("channel",), lambda: np.ones(next(shapes), np.float32))
    with Recorder(tmp_path / "r", [spec], when_full="wait") as recorder:
        for step in range(3):
            recorder.snapshot(step)
    assert Run(tmp_path / "r").steps() == [0, 2]
    assert recorder.status.missed == 1


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecorderError, match="nothing can be recorded here"):
        training(tmp_path / "file" / "run")


def test_files_of_a_killed_write_are_cleared_away(tmp_path: Path) -> None:
    training(tmp_path / "r", 2)
    for name in (".step_000007.bin.123.tmp", ".step_000007.1.bin.9.tmp", ".manifest.json.5.tmp", ".mine.tmp"):
        (tmp_path / "r" / name).write_bytes(b"half")
    training(tmp_path / "r", 3, resume=True, step=2)
    assert leftovers(tmp_path / "r") == [".mine.tmp"]


def test_a_second_recorder_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    process = start(tmp_path / "r", pause=0.05)
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    with pytest.raises(LockedError, match=rf"process {process.pid} on {socket.gethostname()}, since"):
        training(tmp_path / "r", size=20_000, resume=True)
    process.kill()
    process.communicate()
    training(tmp_path / "r", 3, size=20_000, resume=True, step=1)
    assert not (tmp_path / "r" / LOCK).exists()
    assert [attempt.end for attempt in read_attempts(tmp_path / "r")] == [None, "finished"]


def _race(folder: Path) -> int:
    """How many of two recorders started together got the folder."""
    pair = [start(folder, steps=200, pause=0.01) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in pair]
    assert sorted(process.returncode for process in pair) in ([0, 1], [1, 1], [0, 0])
    for process, (_, errors) in zip(pair, said, strict=True):
        assert process.returncode == 0 or "is recording here" in errors or "holds a run already" in errors, errors
    return sum(process.returncode == 0 for process in pair)


@pytest.mark.parametrize("count", [1, pytest.param(50, marks=pytest.mark.slow)])
def test_of_two_recorders_just_one_wins(tmp_path: Path, count: int) -> None:
    for number in range(count):
        assert _race(tmp_path / str(number)) == 1
        assert sound(tmp_path / str(number))
        assert len(read_attempts(tmp_path / str(number))) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("count", [1, pytest.param(50, marks=pytest.mark.slow)])
def test_a_signal_leaves_a_finished_record(tmp_path: Path, number: signal.Signals, count: int) -> None:
    random = np.random.default_rng(0)
    for run in range(count):
        folder = tmp_path / str(run)
        process = start(folder)
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        time.sleep(float(random.uniform(0, 0.1)))
        process.send_signal(number)
        sent = time.monotonic()
        process.communicate(timeout=30)
        assert time.monotonic() - sent < 5
        assert sound(folder)
        assert leftovers(folder) == []
        attempt = read_attempts(folder)[0]
        assert attempt.end == "interrupted"
        assert len(Run(folder).steps()) >= (attempt.end_step or 0), "what was queued is written"


def test_a_program_that_forgets_to_finish_is_interrupted(tmp_path: Path) -> None:
    code = (
        "import numpy as np\nfrom strobe.record import Recorder\n"
        f"r = Recorder({str(tmp_path / 'r')!r}, [('x', 'params', ('a',), np.zeros(3))])\n"
        "r.snapshot(4); r.log(4, a=1.0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    attempt = read_attempts(tmp_path / "r")[0]
    assert (attempt.end, attempt.end_step) == ("interrupted", 4)
    assert Run(tmp_path / "r").steps() == [4]
    assert len(read_metrics(tmp_path / "r" / "metrics.jsonl").rows) == 1


def test_a_forked_child_records_nothing(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import os, sys, numpy as np
        from strobe.record import Recorder
        with Recorder({str(tmp_path / "r")!r}, [("x", "params", ("a",), np.zeros(3))]) as r:
            if os.fork() == 0:
                r.snapshot(1); r.log(1, a=1.0); r.finish("failed")
                os._exit(0)
            os.wait()
            r.snapshot(2)
    """)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert Run(tmp_path / "r").steps() == [2]
    assert [attempt.end for attempt in read_attempts(tmp_path / "r")] == ["finished"]


@pytest.mark.parametrize(
    "count", [tries(1, 3), pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_kill_9_leaves_the_old_state_or_the_new(tmp_path: Path, count: int) -> None:
    random = np.random.default_rng(1)
    for run in range(count):
        folder = tmp_path / str(run)
        process = start(folder)
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        time.sleep(float(random.uniform(0, 0.1)))
        process.kill()
        process.communicate()
        assert sound(folder)
        assert len(leftovers(folder)) <= 1
        steps = Run(folder).steps()
        assert steps == list(range(len(steps)))
        for step in steps:
            assert np.all(Run(folder).at(step)["params/x"] == step)


@pytest.mark.parametrize("name", ["with space", "ünï-ço∂é", "n" * 200, "a'b\"c;rm -rf"])
def test_any_folder_name(tmp_path: Path, name: str) -> None:
    training(tmp_path / name, 2)
    assert sound(tmp_path / name)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / name, target_is_directory=True)
    training(link, 3, resume=True, step=2)
    assert Run(link).steps() == [0, 1, 2]
