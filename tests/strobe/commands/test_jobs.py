"""`strobe jobs`: a training from the command line to a run in the store, and what is refused before it is queued."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.errors import StrobeError
from strobe.cli import app
from strobe.jobs.queue import Queue
from tests.support.effort import whole_in_ci
from tests.support.make_run import make_run
from tests.support.queued import until


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STROBE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(Queue, "start_runner", lambda _: None)
    return tmp_path / "runs"


def say(*words: str) -> str:
    return CliRunner().invoke(app, ["jobs", *words], catch_exceptions=False).output


def test_a_training_is_queued_with_what_follows_it(runs: Path) -> None:
    assert "job 1 is queued: strobe train modadd --steps 5 --out" in say("add", "train", "modadd", "--steps", "5")
    (job,) = Queue(runs).jobs()
    assert [step[0] for step in job.steps] == ["train", "ingest", "analyze"]
    assert job.folder == str(runs / "grok")
    assert job.steps[0] == ["train", "modadd", "--steps", "5", "--out", str(runs / "grok")]
    say("add", "train", "modadd", "--out", str(runs / "mine"))
    assert Queue(runs).job(2).steps[0] == ["train", "modadd", "--out", str(runs / "mine")]


def test_a_queue_is_listed_cancelled_and_run_again(runs: Path) -> None:
    say("add", "ingest", "x")
    assert "no runner is at work" in say("list")
    assert say("cancel", "1") == "job 1 is cancelled\n"
    assert say("rerun", "1") == "job 2 is queued: strobe ingest x\n"
    assert [row["state"] for row in json.loads(say("list", "--json"))] == ["queued", "cancelled"]
    assert say("log", "1") == ""
    assert say("start") == "the runner was started\n"


def test_what_the_command_would_refuse_is_not_queued(runs: Path) -> None:
    refused = CliRunner().invoke(app, ["jobs", "add", "train", "modadd", "--steps", "many"])
    assert refused.exit_code == 2
    assert "Invalid value for '--steps'" in refused.output
    with pytest.raises(StrobeError, match="there are modadd, text"):
        say("add", "train", "nothing")
    with pytest.raises(StrobeError, match="'rm' is not queued"):
        say("add", "rm", "run")
    assert Queue(runs).jobs() == []


@whole_in_ci
def test_a_real_job_outlives_who_queued_it_and_its_run_is_found(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a")
    queue = Queue(tmp_path / "runs")
    job = queue.add([["ingest", str(tmp_path / "runs" / "a"), "--store", str(tmp_path / "store")]])
    until(lambda: queue.job(job.id).ended, 60)
    assert queue.job(job.id).state == "finished", queue.log_tail(job.id)
    until(lambda: not queue.at_work())
    assert (tmp_path / "store" / "store.json").is_file()
