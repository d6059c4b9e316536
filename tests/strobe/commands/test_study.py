"""`strobe study memorization` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import strobe
from etl.errors import StrobeError
from strobe.cli import app
from tests.support.effort import whole_in_ci

SMALL = [
    *("--mode", "example", "--epochs", "1,2", "--passages", "12", "--tokens", "24", "--layers", "2", "--heads", "2"),
    *("--width", "16", "--threads", "1", "--device", "cpu"),
]


def study(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["study", "memorization", *SMALL, *arguments])
    if isinstance(result.exception, StrobeError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@whole_in_ci
def test_a_study_ends_in_the_store(tmp_path: Path) -> None:
    where = ["--out", str(tmp_path / "mem"), "--store", str(tmp_path / "store")]
    said = study(*where)
    assert "12 passages, 6 of them to learn, epochs 1, 2, 12 updates" in said
    assert "mem: measured at epochs 1, 2" in said
    store = strobe.open(tmp_path / "store")
    assert store.sql("SELECT count(*) AS n FROM passages WHERE run = 'mem'")["n"][0].as_py() == 24
    assert "mem: measured" in study(*where, "--resume")
    with pytest.raises(StrobeError, match="holds a study already"):
        study(*where)


def test_what_cannot_be_is_said_before_anything_is_written(tmp_path: Path) -> None:
    where = ["--out", str(tmp_path / "mem")]
    with pytest.raises(StrobeError, match="give whole numbers, such as 1,5,20"):
        study(*where, "--epochs", "1,two")
    with pytest.raises(StrobeError, match="no mode 'slow'"):
        study(*where, "--mode", "slow")
    assert not (tmp_path / "mem").exists()
