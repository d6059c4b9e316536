"""A run that recorded nothing may be started over; one that recorded anything at all, never."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.run.attempts import ATTEMPTS, read_attempts
from etl.run.file_names import MANIFEST
from etl.run.folder import Run
from etl.run.journal import METRICS
from etl.run.verify import verify_run
from strobe.record import Recorder, RecorderError
from strobe.record.lock import LOCK


def begun(folder: Path, size: int = 3, **options: Any) -> Recorder:
    return Recorder(folder, [("x", "params", ("channel",), np.ones(size, np.float32))], **options)


def killed_at_once(folder: Path) -> None:
    """A recorder whose process is killed before it recorded anything."""
    code = textwrap.dedent(f"""
        import os, signal, numpy as np
        from strobe.record import Recorder
        Recorder({str(folder)!r}, [("x", "params", ("channel",), np.ones(3, np.float32))])
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    process = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert sorted(os.listdir(folder)) == [LOCK, ATTEMPTS, MANIFEST]


def test_a_run_killed_before_it_recorded_anything_is_started_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "r"
    killed_at_once(folder)
    created = Run(folder).manifest.run.created_at
    with begun(folder, 5) as recorder:
        recorder.snapshot(0)
    assert "began and recorded nothing; it is started over" in caplog.text
    run = Run(folder)
    assert run.at(0)["params/x"].shape == (5,), "the other model of the second start"
    assert run.manifest.run.created_at == created
    assert [(attempt.attempt, attempt.end) for attempt in read_attempts(folder)] == [(0, "finished")]
    assert [finding for finding in verify_run(folder) if finding.status == "bad"] == []


def test_a_store_that_knows_the_empty_run_takes_it_for_the_same(tmp_path: Path) -> None:
    folder, store = tmp_path / "r", tmp_path / "store"
    begun(folder).finish("failed")
    first = ingest([folder], store)
    with begun(folder) as recorder:
        recorder.snapshot(0)
    again = ingest([folder], store)
    assert [report.run for report in (*first, *again)] == ["r", "r"]
    assert again[0].snapshots == 1


@pytest.mark.parametrize("name", [METRICS, f"resume/.state.pt.{7:015d}.tmp", "notes.txt", ".step_000000.bin.5.tmp"])
def test_what_is_no_record_does_not_count(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "r"
    begun(folder).finish("interrupted")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b'{"step":0,"ti' if name == METRICS else b"some")
    with begun(folder) as recorder:
        recorder.log(0, loss=1.0)
    assert [json.loads(line)["loss"] for line in (folder / METRICS).read_text().splitlines()] == [1.0]


@pytest.mark.parametrize("name", [METRICS, "resume/state.pt", "step_000007.bin", "step_000007.3.bin"])
def test_what_recorded_anything_is_never_started_over(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "r"
    begun(folder).finish("interrupted")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b'{"step":0,"time":0}\n' if name == METRICS else b"some")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(RecorderError, match=r"holds a run already \([01] snapshots\); resume it or record"):
        begun(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[1]",
        '{"name": "an app", "icons": []}',
        '{"format": "strobe-snapshot"}',
        '{"format": "strobe-snapshot", "model": {}, "snapshot": {"tensors": [1]}}',
    ],
)
@pytest.mark.parametrize("resume", [False, True])
def test_a_manifest_of_something_else_is_left_alone(tmp_path: Path, content: str, resume: bool) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(RecorderError, match=r"manifest\.json: is no manifest of a run; record into another folder"):
        begun(tmp_path, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]
    assert (tmp_path / MANIFEST).read_text() == content
