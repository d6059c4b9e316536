"""The recorder's CUDA half on a runtime of threads: events order what they must, and a failing call is survived."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from etl.run.folder import Run
from tests.support.cuda_programs import NEEDS_A_COMPILER
from tests.support.cuda_recorder import sound, warnings

pytestmark = NEEDS_A_COMPILER


@pytest.fixture
def streams(programs: Path) -> Path:
    """cuda_memory.cu against a CUDA runtime of threads."""
    return programs / "recorder_streams"


def train_on_streams(streams: Path, folder: Path, fail_at: int) -> tuple[list[int], str]:
    command = [streams, folder, str(fail_at)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, f"call {fail_at}: {result.stdout}{result.stderr}"
    return [int(word) for word in result.stdout.split()], result.stderr


def check_streams(folder: Path, count: int) -> None:
    run = Run(folder)
    assert len(run.steps()) == count
    for step in run.steps():
        for name in ("params/first", "params/second"):
            np.testing.assert_array_equal(run.at(step)[name], np.float32(step))
    assert sound(folder)


def test_a_snapshot_stands_between_what_comes_before_and_after_it_on_the_stream(
    streams: Path, tmp_path: Path
) -> None:
    (recorded, missed, calls), said = train_on_streams(streams, tmp_path / "r", -1)
    assert (recorded, missed, said) == (12, 0, "")
    check_streams(tmp_path / "r", 12)
    assert calls > 12 * 8
    assert Run(tmp_path / "r").at(3)["scalars/recorder_ms"][0] >= 0.2, "what the copies took is counted"


def test_any_one_failing_cuda_call_costs_at_most_one_snapshot(streams: Path, tmp_path: Path) -> None:
    began = 0
    for fail_at in [*range(16), *range(16, 40, 3)]:
        folder = tmp_path / str(fail_at)
        (recorded, missed, _), said = train_on_streams(streams, folder, fail_at)
        if missed < 0:
            assert not folder.exists() or "a fake error" in said
            continue
        began += 1
        assert recorded + missed == 12
        assert missed == len(warnings(said)) <= 1
        check_streams(folder, recorded)
    assert began >= 8
