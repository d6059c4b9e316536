"""strobe.init, log and finish: a run of scalars alone."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strobe
from etl.ingest.load import ingest
from etl.run.attempts import read_attempts
from etl.run.journal import METRICS
from etl.store.catalogue import Store
from strobe.record import RecorderError


@pytest.fixture(autouse=True)
def _runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("STROBE_RUNS", str(tmp_path / "runs"))
    yield
    strobe.finish()


def lines(folder: Path | None) -> list[dict[str, Any]]:
    assert folder is not None
    rows = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "time"} for row in rows]


def test_each_log_is_one_step_further(tmp_path: Path) -> None:
    run = strobe.init("project", name="mine", config={"learning_rate": 0.1})
    strobe.log({"loss": 3.0})
    strobe.log(loss=np.float32(2.0), other=math.nan)
    strobe.log({"loss": 1.0}, step=10)
    strobe.log({"loss": 0.5})
    strobe.finish()
    assert run.folder == tmp_path / "runs" / "mine"
    assert lines(run.folder) == [
        {"loss": 3.0, "step": 0}, {"loss": 2.0, "other": "NaN", "step": 1}, {"loss": 1.0, "step": 10},
        {"loss": 0.5, "step": 11},
    ]  # fmt: skip
    assert read_attempts(run.folder)[0].end == "finished"
    ingest([run.folder], tmp_path / "store")
    (row,) = Store(tmp_path / "store").sql("SELECT name, config FROM runs").to_pylist()
    assert row["name"] == "mine"
    assert json.loads(row["config"])["training"] == {"project": "project", "learning_rate": 0.1}


def test_a_second_init_ends_the_first_and_a_crash_in_with_is_written_down(tmp_path: Path) -> None:
    first = strobe.init("a")
    second = strobe.init("a")
    with pytest.raises(ZeroDivisionError), second:
        raise ZeroDivisionError
    assert first.folder != second.folder
    assert [read_attempts(run.folder or tmp_path)[0].end for run in (first, second)] == ["finished", "failed"]


def test_a_run_goes_on_behind_its_last_step(tmp_path: Path) -> None:
    with strobe.init(folder=tmp_path / "run") as run:
        run.log(loss=1.0)
        run.log(loss=2.0)
    with strobe.init(folder=tmp_path / "run", resume="allow") as run:
        run.log(loss=3.0)
    assert [line["step"] for line in lines(tmp_path / "run")] == [0, 1, 2]


def test_a_disabled_run_leaves_nothing_and_log_without_a_run_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with strobe.init("a", mode="disabled") as run:
        strobe.log({"loss": 1.0})
        run.log("no numbers", step="soon")
        assert run.folder is None
    assert not (tmp_path / "runs").exists()
    with caplog.at_level(logging.WARNING, "strobe.record"):
        strobe.log(loss=1)
        strobe.log(loss=1)
    assert len([record for record in caplog.records if "without strobe.init" in record.message]) == 1
    with pytest.raises(RecorderError, match="mode is 'offline'"):
        strobe.init(mode="offline")


@pytest.mark.parametrize("given", [("7",), (7,), ([1],), ({"step": 1},), ({"a": "b"},), ({}, "soon")])
def test_whatever_is_logged_nothing_raises(given: tuple[Any, ...]) -> None:
    with strobe.init("a") as run:
        strobe.log(*given)
        strobe.log(loss=1.0)
    assert lines(run.folder)[-1]["loss"] == 1.0
