"""How `strobe train` starts in a folder that another start left, and what it says where its folder went away."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from etl.run.attempts import ATTEMPTS
from etl.run.folder import Run
from strobe.cli import app
from strobe.commands import train as commands
from strobe.record.lock import LOCK
from strobe.train.loop import Trainer

SMALL = ["--width", "8", "--heads", "2", "--modulus", "5", "--snapshot-every", "1", "--batch-size", "4"]


def train(out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["train", "modadd", *SMALL, "--steps", "4", "--out", str(out), *more])


def resume(out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["train", "modadd", "--resume", "--out", str(out), *more])


def killed_before_its_first_state(out: Path) -> None:
    assert train(out).exit_code == 0
    for path in [*out.glob("step_*"), out / "metrics.jsonl", out / "resume" / "state.pt"]:
        path.unlink()
    (out / ATTEMPTS).write_text((out / ATTEMPTS).read_text().splitlines(keepends=True)[0])


def test_a_run_killed_before_its_first_state_is_started_over(tmp_path: Path) -> None:
    out = tmp_path / "run"
    killed_before_its_first_state(out)
    refused = resume(out)
    assert refused.exit_code == 1
    assert "has no resume/state.pt to resume from; start it without --resume" in str(refused.exception)
    assert "finished at step 4" in train(out).output
    assert Run(out).steps() == [0, 1, 2, 3, 4]
    again = train(out)
    assert "holds a run already (5 snapshots); resume it or record into another folder" in str(again.exception)


def test_a_lock_of_a_host_that_is_gone_is_taken_over(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert train(out).exit_code == 0
    (out / LOCK).write_text(json.dumps({"pid": 1, "host": "web-7f9c", "started": time.time() - 86_400}))
    os.utime(out / LOCK, (0, 0))
    refused = resume(out, "--steps", "6")
    assert "process 1 on web-7f9c, since" in str(refused.exception)
    assert "give --take-over" in str(refused.exception)
    taken = resume(out, "--steps", "6", "--take-over")
    assert taken.exit_code == 0, taken.output
    assert Run(out).steps() == [0, 1, 2, 3, 4, 5, 6]
    assert not (out / LOCK).exists()


def test_a_folder_that_is_deleted_on_the_way_does_not_end_as_if_nothing_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, update = tmp_path / "run", Trainer._update

    def deleting(self: Trainer) -> None:
        if self.step == 2:
            # What is written at that moment may not come back into it.
            shutil.rmtree(out.rename(tmp_path / "gone"))
        update(self)

    monkeypatch.setattr(Trainer, "_update", deleting)
    said = train(out)
    assert said.exit_code == 0, "the training itself went on to its end"
    assert f"finished at step 4 in {out}, 5 snapshots lost, 5 metric lines lost" in said.output
    assert "strobe ingest" not in said.output


def test_what_was_lost_is_named_by_kind() -> None:
    from strobe.record import Status

    assert commands._losses(Status(recorded=3)) == ""
    lost = commands._losses(Status(skipped=1, missed=1200, lost_lines=3))
    assert lost == ", 1 snapshots skipped, 1,200 snapshots lost, 3 metric lines lost"


def _metrics(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_the_weight_monitor_logs_its_series_and_changes_no_curve(tmp_path: Path) -> None:
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    assert train(plain).exit_code == 0
    assert train(watched, "--weight-monitor", "--weight-monitor-interval", "2").exit_code == 0
    losses = [[row["train_loss"] for row in _metrics(run) if "train_loss" in row] for run in (plain, watched)]
    assert losses[0] == losses[1]
    looked = [row for row in _metrics(watched) if "monitor/update_ratio_median" in row]
    assert [row["step"] for row in looked] == [0, 2]
    assert all(0 < float(str(row["monitor/update_ratio_median"])) < 1 for row in looked)
    assert "monitor/tensors" in looked[0]
    assert not any(key.startswith("monitor/") for row in _metrics(plain) for key in row)


def test_thresholds_of_the_weight_monitor_that_contradict_one_another_are_refused(tmp_path: Path) -> None:
    result = train(tmp_path / "run", "--weight-monitor", "--weight-monitor-vanishing", "200")
    assert result.exit_code != 0
    assert "vanishing 200 is not from 0 to below exploding 100" in str(result.exception)
