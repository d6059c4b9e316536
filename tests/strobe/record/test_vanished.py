"""A run's folder that goes away while it is recorded: what is lost is counted, said, and written where it can be."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.run.attempts import ATTEMPTS
from etl.run.file_names import MANIFEST
from etl.run.folder import Run
from etl.run.journal import METRICS, read_metrics
from etl.run.verify import verify_run
from strobe.record import FolderLock, Recorder
from strobe.record.lock import LOCK

TENSORS = [("x", "params", ("channel",), np.ones(8, np.float32))]


def begun(folder: Path, **options: Any) -> Recorder:
    return Recorder(folder, TENSORS, when_full="wait", **options)


def go_on(recorder: Recorder, steps: range) -> None:
    for step in steps:
        recorder.log(step, train_loss=1.0)
        recorder.snapshot(step)
    recorder.flush()


def counts(recorder: Recorder) -> tuple[int, int, int]:
    return recorder.status.recorded, recorder.status.missed, recorder.status.lost_lines


def last_line(folder: Path) -> dict[str, Any]:
    line: dict[str, Any] = json.loads((folder / ATTEMPTS).read_text().splitlines()[-1])
    return line


def test_a_folder_that_vanishes_takes_all_with_it_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "r"
    recorder = begun(folder)
    go_on(recorder, range(10))
    shutil.rmtree(folder)
    go_on(recorder, range(10, 300))
    assert counts(recorder)[:2] == (0, 300), "while it still records"
    recorder.finish()
    assert counts(recorder) == (0, 300, 300)
    assert "its folder is gone" in str(recorder.status.last_error)
    assert "300 missed by errors, 300 metric lines lost" in caplog.text
    assert len(caplog.messages) <= 5
    assert not folder.exists(), "somebody wanted it gone"


def test_one_that_vanishes_after_the_last_step_is_told_as_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = begun(tmp_path / "r")
    go_on(recorder, range(4))
    shutil.rmtree(tmp_path / "r")
    recorder.finish()
    assert counts(recorder) == (0, 4, 4)
    assert "4 missed by errors, 4 metric lines lost" in caplog.text


def test_one_that_comes_back_empty_is_a_run_again_and_says_what_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    with begun(folder) as recorder:
        go_on(recorder, range(5))
        manifest = (folder / MANIFEST).read_bytes()
        shutil.rmtree(folder)
        go_on(recorder, range(5, 8))
        folder.mkdir()
        go_on(recorder, range(8, 10))
    assert (folder / MANIFEST).read_bytes() == manifest
    assert Run(folder).steps() == [8, 9]
    assert [finding for finding in verify_run(folder) if finding.status == "bad"] == []
    # The three lines of the time between waited in memory.
    assert [row["step"] for row in read_metrics(folder / METRICS).rows] == [5, 6, 7, 8, 9]
    assert counts(recorder) == (2, 8, 5)
    lost = last_line(folder)["lost"]
    assert (lost.pop("why").keys(), lost) == ({"its folder is gone"}, {"recorded": 2, "missed": 8, "lines": 5})
    assert [attempt.end for attempt in Run(folder).attempts] == ["finished"]
    assert not (folder / LOCK).exists()


def test_one_that_comes_back_whole_has_lost_what_was_not_taken_meanwhile(tmp_path: Path) -> None:
    """A disk that was unmounted and mounted again."""
    folder, away = tmp_path / "r", tmp_path / "away"
    with begun(folder) as recorder:
        go_on(recorder, range(5))
        folder.rename(away)
        go_on(recorder, range(5, 8))
        assert counts(recorder)[:2] == (0, 8)
        away.rename(folder)
        go_on(recorder, range(8, 10))
        assert counts(recorder) == (7, 3, 0)
    assert Run(folder).steps() == [0, 1, 2, 3, 4, 8, 9]
    assert [row["step"] for row in read_metrics(folder / METRICS).rows] == list(range(10))
    lost = last_line(folder)["lost"]
    assert (sum(lost.pop("why").values()) >= 3, lost) == (True, {"recorded": 7, "missed": 3})


def test_a_run_that_another_began_in_its_place_is_left_alone(tmp_path: Path) -> None:
    """By another process: this one's own would have ended ours."""
    folder, other = tmp_path / "r", tmp_path / "other"
    recorder = begun(folder)
    go_on(recorder, range(3))
    with Recorder(other, [("other", "params", ("channel",), np.ones(2, np.float32))]) as started:
        started.snapshot(0)
        started.flush()
        shutil.rmtree(folder)
        other.rename(folder)
        go_on(recorder, range(3, 6))
        assert "is recording here" in str(recorder.status.last_error)
        folder.rename(other)
    other.rename(folder)
    go_on(recorder, range(6, 9))
    assert "another run stands there now" in str(recorder.status.last_error)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    recorder.finish()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert counts(recorder) == (0, 9, 9)
    assert Run(folder).steps() == [0]


def test_a_lock_that_somebody_removed_is_taken_again(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    with begun(folder) as recorder:
        go_on(recorder, range(3))
        (folder / LOCK).unlink()
        go_on(recorder, range(3, 5))
        with pytest.raises(ValueError, match="is recording here"):
            FolderLock(folder)
    assert counts(recorder) == (5, 0, 0)
    assert "lost" not in last_line(folder)


def test_what_the_limits_removed_is_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    with begun(folder, keep_last=2) as recorder:
        go_on(recorder, range(6))
        (folder / LOCK).unlink()
        go_on(recorder, range(6, 8))
    assert counts(recorder) == (8, 0, 0)
    assert Run(folder).steps() == [0, 6, 7]


def test_a_log_that_was_removed_is_counted(tmp_path: Path) -> None:
    """A removed log takes every line and keeps none."""
    folder = tmp_path / "r"
    with begun(folder) as recorder:
        go_on(recorder, range(3))
        (folder / METRICS).unlink()
        deadline = time.monotonic() + 10
        go_on(recorder, range(3, 6))
        while not (folder / METRICS).exists() and time.monotonic() < deadline:
            recorder.flush()
    assert [row["step"] for row in read_metrics(folder / METRICS).rows] == [3, 4, 5]
    assert counts(recorder) == (6, 0, 3)


def test_a_program_that_goes_elsewhere_leaves_its_record_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with begun(Path("r")) as recorder:
        go_on(recorder, range(2))
        monkeypatch.chdir(tmp_path / "elsewhere")
        go_on(recorder, range(2, 4))
    assert Run(tmp_path / "r").steps() == [0, 1, 2, 3]
    assert counts(recorder) == (4, 0, 0)
    assert list((tmp_path / "elsewhere").iterdir()) == []
