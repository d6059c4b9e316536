"""What can go wrong under the C++ recorder: the loop goes on, it is said once, and what is on disk stays sound."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.run.attempts import read_attempts
from etl.run.folder import Run
from etl.run.journal import read_lines, read_metrics
from strobe.record import FolderLock, LockedError, Recorder, run_id
from tests.support.cuda_programs import NEEDS_A_COMPILER
from tests.support.cuda_recorder import Driver, Given, leftovers, sound, warnings

pytestmark = NEEDS_A_COMPILER

VECTOR = Given("params/x", np.zeros(1000, np.float32))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 64 KiB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def check_steps(folder: Path, steps: range) -> None:
    """Each snapshot holds its own step in every value."""
    run = Run(folder)
    assert run.steps() == list(steps)
    for step in steps:
        np.testing.assert_array_equal(run.at(step)["params/x"], np.float32(step))
        assert run.at(step)["scalars/train_loss"][0] == step
    assert sound(folder)
    assert leftovers(folder) == []


@pytest.mark.parametrize("call", ["open", "close", "write", "fsync", "rename"])
def test_any_one_failing_call_costs_at_most_its_own_snapshot(driver: Driver, tmp_path: Path, call: str) -> None:
    for nth in (1, 2, 3, 5, 8, 13):
        folder = tmp_path / str(nth)
        assert driver.open(folder, [VECTOR], wait=1) is None
        driver.exchange("fail", call, nth, errno.EIO)
        assert driver.exchange("loop", 0, 6, 0) == 6
        driver.exchange("flush")
        status = driver.status()
        driver.exchange("close")
        assert status["recorded"] + status["missed"] == 6
        assert status["missed"] <= 1
        assert sound(folder)
        assert leftovers(folder) == []
        steps = [row["step"] for row in read_metrics(folder / "metrics.jsonl").rows]
        assert steps == list(range(6)), "lines are tried again"
    assert len(warnings(driver.end())) in range(1, 7), "one where something failed"


def test_writes_that_take_little_at_a_time_are_gone_on_with(driver: Driver, tmp_path: Path) -> None:
    for name, most in (("whole", 1 << 30), ("short", 7)):
        driver.exchange("short_writes", most)
        assert driver.open(tmp_path / name, [VECTOR], wait=1) is None
        driver.exchange("loop", 0, 3, 0)
        driver.exchange("close")
    check_steps(tmp_path / "short", range(3))
    whole, short = (Run(tmp_path / name).at(2) for name in ("whole", "short"))
    assert whole["params/x"].tobytes() == short["params/x"].tobytes()


def test_of_two_that_begin_at_once_one_records(recorder: Path, tmp_path: Path) -> None:
    with Driver(recorder, tmp_path / "one") as one, Driver(recorder, tmp_path / "two") as two:
        tensor = VECTOR.entry(tmp_path, 0)
        for turn in range(50):
            folder = tmp_path / f"r{turn}"
            for driver in (one, two):
                driver.send("open", {"folder": str(folder), "no_fsync": 1}, [tensor])
            errors = [driver.answer().get("error") for driver in (one, two)]
            assert errors.count(None) == 1
            assert "is recording here" in (errors[0] or errors[1])
            (one if errors[0] is None else two).exchange("close")
            assert len(read_attempts(folder)) == 1


def test_a_full_disk_is_survived_and_recording_resumes(driver: Driver, small_disk: Path) -> None:
    folder = small_disk / "r"
    assert driver.open(folder, [VECTOR], wait=1) is None
    filler = small_disk / "filler"
    filler.touch()
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(bytes(1 << 20))
    assert driver.exchange("loop", 0, 30, 0) == 30, "each was copied and queued"
    driver.exchange("flush")
    status = driver.status()
    assert (status["recorded"], status["missed"]) == (0, 30)
    assert status["last_error"] == os.strerror(errno.ENOSPC)
    assert leftovers(folder) == []
    filler.unlink()
    driver.exchange("loop", 30, 35, 0)
    driver.exchange("close")
    check_steps(folder, range(30, 35))
    steps = [row["step"] for row in read_metrics(folder / "metrics.jsonl").rows]
    assert steps == list(range(35)), "lines wait for space"
    assert read_attempts(folder)[0].end == "finished"
    said = driver.end()
    assert len(warnings(said)) == 1, said
    assert "recording works again; 30 snapshots were missed so far" in said


def test_a_size_limit_is_no_end_of_the_program(driver: Driver, tmp_path: Path) -> None:
    """The signal of a write past RLIMIT_FSIZE would end a process; the recorder's threads do not take it."""
    folder = tmp_path / "r"
    assert driver.open(folder, [VECTOR], wait=1) is None
    driver.exchange("fsize", 2000)
    driver.exchange("loop", 0, 10, 0)
    driver.exchange("flush")
    assert driver.status()["missed"] == 10
    driver.exchange("fsize", -1)
    driver.exchange("loop", 10, 12, 0)
    driver.exchange("flush")
    driver.exchange("fsize", 10)
    driver.exchange("close")
    assert "nothing can be recorded here: File too large" in str(driver.open(tmp_path / "new", [VECTOR]))
    driver.exchange("fsize", -1)
    check_steps(folder, range(10, 12))
    assert read_attempts(folder)[0].end is None, "there was no room for the end line"
    assert len(warnings(driver.end())) == 1


def test_a_folder_that_vanishes_is_said_once_not_a_thousand_times(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    assert driver.open(folder, [VECTOR], wait=1) is None
    driver.exchange("loop", 0, 2, 0)
    driver.exchange("flush")
    shutil.rmtree(folder)
    driver.exchange("loop", 2, 1000, 0)
    driver.exchange("flush")
    folder.mkdir()
    driver.exchange("loop", 1000, 1003, 0)
    driver.exchange("close")
    assert list(folder.glob("*.bin")) == [], "a snapshot without its manifest would be of no use"
    assert list(folder.iterdir()) == []
    said = driver.end()
    assert len(warnings(said)) == 1
    assert "0 snapshots recorded, 0 skipped because the queue was full, 1003 missed by errors" in said
    assert "1003 metric lines lost" in said


def test_a_folder_that_comes_back_whole_has_lost_what_was_not_taken_meanwhile(driver: Driver, tmp_path: Path) -> None:
    folder, away = tmp_path / "r", tmp_path / "away"
    assert driver.open(folder, [VECTOR], wait=1) is None
    driver.exchange("loop", 0, 5, 0)
    driver.exchange("flush")
    folder.rename(away)
    driver.exchange("loop", 5, 8, 0)
    driver.exchange("flush")
    status = driver.status()
    assert (status["recorded"], status["missed"]) == (0, 8)
    away.rename(folder)
    driver.exchange("loop", 8, 10, 0)
    driver.exchange("close")
    assert Run(folder).steps() == [0, 1, 2, 3, 4, 8, 9]
    assert [row["step"] for row in read_metrics(folder / "metrics.jsonl").rows] == list(range(10))
    assert json.loads((folder / "attempts.jsonl").read_text().splitlines()[-1])["lost"] == {
        "recorded": 7,
        "missed": 3,
    }


def test_a_run_that_another_began_in_its_place_is_left_alone(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    assert driver.open(folder, [VECTOR], wait=1) is None
    driver.exchange("loop", 0, 3, 0)
    driver.exchange("flush")
    shutil.rmtree(folder)
    with Recorder(folder, [("other", "params", ("a",), np.zeros(2, np.float32))]) as other:
        other.snapshot(0)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    driver.exchange("loop", 3, 6, 0)
    driver.exchange("close")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "0 snapshots recorded, 0 skipped because the queue was full, 6 missed by errors, 6 metric" in driver.end()


def test_a_lock_that_somebody_removed_is_taken_again(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    assert driver.open(folder, [VECTOR], wait=1) is None
    driver.exchange("loop", 0, 3, 0)
    driver.exchange("flush")
    (folder / ".recorder.lock").unlink()
    driver.exchange("loop", 3, 5, 0)
    driver.exchange("flush")
    with pytest.raises(LockedError):
        FolderLock(folder)
    driver.exchange("close")
    assert Run(folder).steps() == [0, 1, 2, 3, 4]
    assert "lost" not in json.loads((folder / "attempts.jsonl").read_text().splitlines()[-1])


def test_a_metric_log_that_vanishes_takes_no_line_along(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    assert driver.open(folder, [VECTOR], wait=1) is None
    driver.exchange("loop", 0, 2, 0)
    driver.exchange("flush")
    (folder / "metrics.jsonl").unlink()
    driver.exchange("loop", 2, 5, 0)
    driver.exchange("close")
    assert [row["step"] for row in read_metrics(folder / "metrics.jsonl").rows] == [2, 3, 4]
    assert "0 missed by errors, 2 metric lines lost" in driver.end()


def test_a_lost_permission_is_survived(recorder: Path, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as name, Driver(recorder, tmp_path / "driver") as driver:
        top = Path(name)
        if os.getuid() == 0:
            # Root may write anywhere, so the driver becomes nobody.
            os.chown(top, 65534, 65534)
            data = VECTOR.entry(driver.scratch, 0)
            shutil.copy(data["file"], top / "data")
            (top / "data").chmod(0o644)
            assert driver.exchange("uid", 65534) is False
            tensor: Any = data | {"file": str(top / "data")}
        else:
            tensor = VECTOR
        folder = top / "r"
        assert driver.open(folder, [tensor], wait=1) is None
        driver.exchange("loop", 0, 3, 0)
        driver.exchange("flush")
        folder.chmod(0o555)
        driver.exchange("loop", 3, 1000, 0)
        driver.exchange("flush")
        assert driver.status()["last_error"] == os.strerror(errno.EACCES)
        assert "nothing can be recorded here: Permission denied" in str(driver.open(folder / "new", [tensor]))
        folder.chmod(0o755)
        driver.exchange("loop", 1000, 1002, 0)
        driver.exchange("close")
        assert Run(folder).steps() == [0, 1, 2, 1000, 1001]
        assert sound(folder)
        assert len(warnings(driver.stderr())) == 1


def test_a_full_queue_skips_and_counts(driver: Driver, tmp_path: Path) -> None:
    assert driver.open(tmp_path / "r", [VECTOR], gate=1, queue=3) is None
    driver.exchange("gate", {"open": 0})
    assert driver.exchange("loop", 0, 20, 0) == 4, "one is being written and three wait"
    assert driver.status()["skipped"] == 16
    driver.exchange("gate", {"open": 1, "copy_ms": 1e6})
    driver.exchange("flush")
    assert driver.exchange("snapshot", 19) == 1, "a step that was skipped may come again"
    driver.exchange("close")
    run = Run(tmp_path / "r")
    assert run.steps() == [0, 1, 2, 3, 19]
    assert run.at(19)["scalars/recorder_ms"][0] > 1e6, "what the copies took on the device is counted"
    assert [row["step"] for row in read_metrics(tmp_path / "r" / "metrics.jsonl").rows] == list(range(20))
    assert "16 skipped because the queue was full" in driver.end()


def test_a_full_queue_waits_where_that_is_asked_for(driver: Driver, tmp_path: Path) -> None:
    assert driver.open(tmp_path / "r", [VECTOR], gate=1, queue=1, wait=1) is None
    driver.exchange("gate", {"open": 0})
    assert driver.exchange("loop", 0, 2, 0) == 2, "one is being written and one waits"
    driver.exchange("gate", {"open_after_ms": 300})
    began = time.monotonic()
    assert driver.exchange("snapshot", 2) == 1
    assert time.monotonic() - began > 0.2
    driver.exchange("close")
    assert Run(tmp_path / "r").steps() == [0, 1, 2]


def test_the_memory_is_allocated_once_and_given_back(driver: Driver, tmp_path: Path) -> None:
    assert driver.open(tmp_path / "r", [VECTOR], gate=1, queue=5, wait=1) is None
    assert driver.exchange("gate_counts") == {"slots": 6, "tickets": 6, "closed": 0}
    driver.exchange("gate", {"allocations": 0})
    assert driver.exchange("loop", 0, 50, 0) == 50, "no snapshot needs memory of its own"
    driver.exchange("close")
    assert driver.exchange("gate_counts") == {"slots": 0, "tickets": 0, "closed": 1}
    driver.exchange("gate", {"allocations": 2})
    why = driver.open(tmp_path / "new", [VECTOR], gate=1, queue=5)
    assert "no memory for 6 snapshots of 4992 bytes: the device is on strike" in str(why)
    assert driver.exchange("gate_counts") == {"slots": 0, "tickets": 0, "closed": 2}
    assert list((tmp_path / "new").iterdir()) == [], "nothing was begun"
    assert driver.open(tmp_path / "new", [VECTOR], gate=1, queue=-1) is not None
    assert driver.exchange("gate_counts")["closed"] == 3, "taken over, even when refused at once"


@pytest.mark.parametrize("what", ["begin", "copy", "end", "wait"])
def test_a_copy_that_fails_costs_its_own_snapshot(driver: Driver, tmp_path: Path, what: str) -> None:
    assert driver.open(tmp_path / "r", [VECTOR], gate=1, queue=1, wait=1) is None
    driver.exchange("gate", {what: 700})
    assert driver.exchange("loop", 0, 10, 0) == (10 if what == "wait" else 0)
    driver.exchange("flush")
    assert driver.status()["missed"] == 10
    driver.exchange("gate", {what: 0})
    driver.exchange("loop", 10, 13, 0)
    driver.exchange("close")
    check_steps(tmp_path / "r", range(10, 13))
    (said,) = warnings(driver.end())
    assert "step 0 could not be recorded (the device is on strike); training goes on" in said


def test_a_step_is_recorded_once_in_an_attempt(driver: Driver, tmp_path: Path) -> None:
    assert driver.open(tmp_path / "r", [VECTOR], wait=1) is None
    assert [driver.exchange("snapshot", step) for step in (5, 5, 5, -1, 2**53 + 1, 6)] == [1, 0, 0, 0, 0, 1]
    driver.exchange("flush")
    before = (tmp_path / "r" / "step_000005.bin").read_bytes()
    (tmp_path / "r" / "step_000007.bin").write_bytes(b"someone else's")
    assert driver.exchange("snapshot", 7) == 1
    driver.exchange("flush")
    assert (tmp_path / "r" / "step_000005.bin").read_bytes() == before
    assert (tmp_path / "r" / "step_000007.bin").read_bytes() == b"someone else's", "never overwritten"
    status = driver.status()
    assert (status["recorded"], status["missed"], status["last_error"]) == (2, 5, os.strerror(errno.EEXIST))


@pytest.mark.parametrize("name", ["a b", "ü ☃ \u65e5", "x" * 255, "'; rm -rf $HOME", "-r", "UPPER", "42"])
def test_a_folder_may_be_called_what_it_likes(driver: Driver, tmp_path: Path, name: str) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    folder = tmp_path / "link" / "deep" / name
    assert driver.open(folder, [VECTOR], wait=1) is None
    driver.exchange("loop", 0, 1, 0)
    driver.exchange("close")
    check_steps(tmp_path / "real" / "deep" / name, range(1))
    assert Run(folder).manifest.run.name == name
    assert Run(folder).manifest.run.id == run_id(name)


def test_a_folder_that_cannot_be_is_refused_by_name(driver: Driver, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 256)
    assert driver.open(long, [VECTOR]) == f"{long}: nothing can be recorded here: File name too long"
    assert "run.name: holds the control character U+000A" in str(driver.open(tmp_path / "a\nb", [VECTOR]))
    assert driver.open(Path("/proc/no/such"), [VECTOR]) is not None


def test_a_forked_child_and_no_recorder_do_nothing(driver: Driver, tmp_path: Path) -> None:
    for command in (["scalar", "a", 1.0], ["log", 1], ["flush"], ["close"]):
        assert driver.exchange(*command) is None
    assert driver.exchange("snapshot", 0) == 0
    assert driver.status()["recorded"] == 0
    assert driver.open(tmp_path / "r", [VECTOR], wait=1) is None
    driver.exchange("snapshot", 0)
    assert driver.exchange("fork") == 0
    driver.exchange("snapshot", 1)
    driver.exchange("close")
    run = Run(tmp_path / "r")
    assert run.steps() == [0, 1]
    assert [(a.end, a.end_step) for a in run.attempts] == [("finished", 1)]
    assert not (tmp_path / "r" / "metrics.jsonl").exists()


def test_a_torn_log_is_mended_and_leftovers_go(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    assert driver.open(folder, [VECTOR], wait=1) is None
    driver.exchange("loop", 0, 2, 0)
    driver.exchange("close")
    with (folder / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step":2,"ti')
    with (folder / "attempts.jsonl").open("ab") as file:
        file.write(b'\0\0\0{"attempt":9}\n{"step":1')
    left = [".step_000002.bin.77.tmp", ".step_1000000.3.bin.1.tmp", ".manifest.json.5.tmp"]
    kept = [".step_x.bin.77.tmp", ".step_000002.bin..tmp", ".step_000002.bin.7.tmp2", "notes.tmp"]
    for name in (*left, *kept):
        (folder / name).write_bytes(b"half")
    assert driver.open(folder, [VECTOR], resume=1, step=2) is None
    driver.exchange("log", 2)
    driver.exchange("close")
    there = {path.name for path in folder.iterdir()}
    assert not there & set(left)
    assert set(kept) <= there
    assert [row["step"] for row in read_lines(folder / "metrics.jsonl").rows] == [0, 1, 2]
    assert [attempt.step for attempt in read_attempts(folder)] == [0, 2]


def test_what_was_flushed_survives_a_kill(driver: Driver, tmp_path: Path) -> None:
    assert driver.open(tmp_path / "r", [VECTOR], queue=8) is None
    driver.exchange("loop", 0, 8, 0)
    driver.exchange("flush")
    driver.process.kill()
    driver.process.wait()
    check_steps(tmp_path / "r", range(8))
    assert [row["step"] for row in read_metrics(tmp_path / "r" / "metrics.jsonl").rows] == list(range(8))


def test_stderr_that_is_gone_ends_nothing(recorder: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with Driver(recorder, tmp_path / "driver", stderr=writer) as driver:
        os.close(writer)
        assert driver.open(tmp_path / "r", [VECTOR], wait=1) is None
        for step in (0, 0, 1):
            driver.exchange("snapshot", step)
        driver.exchange("close")
        assert Run(tmp_path / "r").steps() == [0, 1]
