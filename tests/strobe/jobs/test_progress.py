"""Progress of a training, from lines whose steps and times are known."""

from __future__ import annotations

import json
from pathlib import Path

from strobe.jobs.progress import Progress, progress
from tests.support.make_run import make_run


def log(folder: Path, *lines: tuple[int, float], end: str = "") -> None:
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps({"step": step, "time": time, "loss": 1.0}) + "\n" for step, time in lines)
    (folder / "metrics.jsonl").write_text(text + end)


def test_the_time_left_is_by_the_rate_since_the_job_began(tmp_path: Path) -> None:
    described = make_run(tmp_path / "run") / "manifest.json"
    said = json.loads(described.read_bytes())
    described.write_text(json.dumps(said | {"training": said["training"] | {"steps": 1000}}))
    log(tmp_path / "run", (0, 10.0), (50, 20.0), (100, 5000.0), (200, 5020.0))
    assert progress(tmp_path / "run", 4000.0) == Progress(200, 1000, 160.0)


def test_without_lines_of_this_job_nothing_is_said(tmp_path: Path) -> None:
    assert progress(tmp_path, 0.0) is None
    log(tmp_path, (7, 10.0))
    assert progress(tmp_path, 11.0) is None
    assert progress(tmp_path, 9.0) == Progress(7, None, None)


def test_a_torn_line_and_one_that_is_no_line_are_passed_over(tmp_path: Path) -> None:
    log(tmp_path, (7, 10.0), end='[1]\n{"step": 8, "time": 11')
    assert progress(tmp_path, 0.0) == Progress(7, None, None)


def test_a_long_log_is_read_at_its_end(tmp_path: Path) -> None:
    log(tmp_path, *((step, float(step)) for step in range(10_000)))
    assert progress(tmp_path, 0.0) == Progress(9_999, None, None)
