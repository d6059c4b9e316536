"""One recorder a folder: who is told what, what a refused start leaves, and how another host's lock is taken over."""

from __future__ import annotations

import errno
import fcntl
import gc
import json
import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.run.attempts import read_attempts
from strobe.record import FolderLock, LockedError, Recorder, RecorderError
from strobe.record import lock as lock_module
from strobe.record.lock import LOCK, Holder

TENSORS = [("x", "params", ("channel",), np.ones(3, np.float32))]


def left_by(folder: Path, host: str = "web-7f9c", **more: Any) -> Path:
    """The lock file of a recorder that began two days ago and gave its last heartbeat three hours ago."""
    path, now = folder / LOCK, time.time()
    folder.mkdir(exist_ok=True)
    path.write_text(json.dumps({"pid": 12, "host": host, "started": now - 2 * 86_400, **more}))
    os.utime(path, (now - 3 * 3600, now - 3 * 3600))
    return path


def recorded(folder: Path, **options: Any) -> Recorder:
    recorder = Recorder(folder, TENSORS, **options)
    recorder.snapshot(int(options.get("step", 0)))
    recorder.finish()
    return recorder


def test_another_host_s_lock_is_told_with_its_holder_and_the_remedy(tmp_path: Path) -> None:
    path = left_by(tmp_path)
    before = path.read_bytes()
    with pytest.raises(LockedError) as error:
        FolderLock(tmp_path)
    said, moment = str(error.value), "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}"
    assert said.startswith(f"{tmp_path}: process 12 on web-7f9c, since ")
    assert re.search(rf"since {moment}, last heartbeat {moment} \(3 h ago\) is recording here", said)
    assert "--take-over, or take_over=True" in said
    assert path.read_bytes() == before, "a refused start leaves another's lock as it was"


def test_it_is_taken_over_when_asked_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorded(tmp_path / "r")
    left_by(tmp_path / "r")
    with pytest.raises(LockedError, match="web-7f9c"):
        recorded(tmp_path / "r", resume=True, step=1)
    assert len(read_attempts(tmp_path / "r")) == 1, "a refused start is no attempt"
    recorded(tmp_path / "r", resume=True, step=1, take_over=True)
    assert "taken over from process 12 on web-7f9c, since" in caplog.text
    assert not (tmp_path / "r" / LOCK).exists()


@pytest.mark.parametrize("take_over", [False, True])
def test_what_a_live_process_holds_is_never_taken_over(tmp_path: Path, take_over: bool) -> None:
    holder = FolderLock(tmp_path)
    with pytest.raises(LockedError, match=f"process {os.getpid()} on .*record into another folder") as error:
        FolderLock(tmp_path, take_over=take_over)
    assert "take-over" not in str(error.value)
    holder.release()
    FolderLock(tmp_path).release()


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1, "host": "a", "started": 1e999}'])
def test_a_damaged_lock_file_that_nobody_holds_is_taken(tmp_path: Path, damaged: str) -> None:
    (tmp_path / LOCK).write_text(damaged)
    if "started" in damaged:
        with pytest.raises(LockedError, match="since an unknown time"):
            FolderLock(tmp_path)
    FolderLock(tmp_path, take_over=True).release()


def test_a_recorder_at_rest_gives_heartbeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "_BEAT_S", 0.0)
    with Recorder(tmp_path / "r", TENSORS):
        path = tmp_path / "r" / LOCK
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        holder = Holder.of(path)
        assert holder is not None
        assert holder.beat == pytest.approx(time.time(), abs=60)


def test_a_start_that_cannot_be_signed_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(RecorderError, match="No space left on device"):
            recorded(tmp_path / "r")
    assert not (tmp_path / "r" / LOCK).exists()
    recorded(tmp_path / "r")


def test_a_start_without_a_thread_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises(RecorderError, match="cannot begin: RuntimeError: can't start new thread"):
            Recorder(tmp_path / "r", TENSORS)
    assert not (tmp_path / "r" / LOCK).exists()
    recorded(tmp_path / "r")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(RecorderError, match=rf"nothing can be recorded here: .*{os.strerror(code)}"):
        recorded(tmp_path / "r")


def test_a_system_without_locks_is_named_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.locks.fcntl", None)
    with pytest.raises(RecorderError, match=r"nothing can be recorded here: .*this system has no file locks"):
        recorded(tmp_path / "r")


@pytest.mark.parametrize(
    "odd",
    [
        {"tensors": 3}, {"queue": "many"}, {"queue": -1}, {"scalars": 5}, {"step": "x"}, {"model": 7},
        {"task": [1]}, {"keep_last": "x"}, {"name": 3}, {"folder": 3}, {"folder": None}, {"optimizer": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_start_raises_one_error_and_leaves_no_lock(tmp_path: Path, odd: dict[str, Any]) -> None:
    given: dict[str, Any] = {"folder": tmp_path / "r", "tensors": TENSORS, **odd}
    with pytest.raises(RecorderError):
        Recorder(**given)
    assert not (tmp_path / "r" / LOCK).exists()


def test_the_name_of_this_host_needs_no_word(tmp_path: Path) -> None:
    left_by(tmp_path, socket.gethostname())
    FolderLock(tmp_path).release()


def test_a_cell_that_is_run_again_takes_over_from_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = Recorder(tmp_path / "r", TENSORS)
    second = Recorder(tmp_path / "r", TENSORS)
    second.snapshot(0)
    second.flush()
    assert first.snapshot(1) is False, "it has ended"
    third = Recorder(tmp_path / "r", TENSORS, resume=True, step=1)
    third.finish()
    assert [message for message in caplog.messages if "began to record here again" in message] == [
        f"{tmp_path / 'r'}: the same program began to record here again; the recorder that was at work is ended"
    ] * 2
    ends = [(attempt.end, attempt.reason) for attempt in read_attempts(tmp_path / "r")]
    assert ends == [("interrupted", "the same program began to record here again"), ("finished", None)]


def test_a_recorder_that_was_dropped_is_no_other_one(tmp_path: Path) -> None:
    Recorder(tmp_path / "r", TENSORS).snapshot(0)
    gc.collect()
    with pytest.raises(LockedError, match=f"process {os.getpid()} on "):
        Recorder(tmp_path / "r", TENSORS)
    recorded(tmp_path / "r", resume=True, step=1)
    assert [attempt.end for attempt in read_attempts(tmp_path / "r")] == ["interrupted", "finished"]
    recorded(tmp_path / "r", resume=True, step=2)


def test_the_one_that_was_taken_over_from_and_lives_records_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hosts on a file system where flock holds on each alone."""
    host = "web-1"
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    first = FolderLock(tmp_path)
    host = "web-2"
    second = FolderLock(tmp_path, take_over=True)
    host = "web-1"
    assert not first.held()
    with pytest.raises(LockedError, match="on web-2, since"):
        first.hold_again()
    first.release()
    assert second.held()
    second.release()
    assert not (tmp_path / LOCK).exists()
