"""Distributed trainings: what is recorded is what one process would have recorded, by the first of them."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import strobe
from etl.ingest.load import ingest
from strobe.record.order import UpdateClock
from strobe.record.watching.ranks import SilentRecorder
from tests.support import ranks
from tests.support.every_page import open_every_page
from tests.support.places import ROOT
from tests.support.watched import faults, recorded, spec, steps


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ddp", "fsdp"])
def test_two_processes_record_what_one_would_and_every_page_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    port = str(free_port())
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.ranks", how, str(tmp_path), str(rank), port], cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [child.communicate(timeout=600)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    options = {"log": ("params", "grads", "optimizer", "activations"), "probe": torch.ones(1, 4)}
    ranks.train("plain", tmp_path / "one", **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "run"] + ["stats"] * (how == "fsdp")
    assert steps(tmp_path / "run") == steps(tmp_path / "one") == [0, 1, 2, 3]
    for step in range(3):
        for name in ("params/0.weight", "grads/2.weight", "optimizer/v_l2.0.bias", "stats/activations%2F0"):
            found, due = (recorded(tmp_path / run, step, name) for run in ("run", "one"))
            np.testing.assert_allclose(found, due, rtol=1e-5, atol=1e-7)
    assert spec(tmp_path / "run", 0, "params/0.weight")["taken"] == "before_update"
    assert faults(tmp_path / "run") == []
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    ingest([tmp_path], tmp_path / "store")
    for run in ("run", *(["stats"] if how == "fsdp" else [])):
        open_every_page(monkeypatch, tmp_path / "store", run)


def test_a_process_that_does_not_record_counts_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strobe.record.watching.watch.rank", lambda: 1)
    ranks.train("plain", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    ranks.train("plain", tmp_path / "run", rank0_only=False)
    assert [path.name for path in tmp_path.iterdir()] == ["run-rank1"]
    model = ranks.small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with strobe.watch(model, optimizer, tmp_path / "other") as run:
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
        assert run.updates == 1
        assert run.snapshot()
    assert not (tmp_path / "other").exists()


def test_what_a_silent_process_fails_at_is_said_and_never_raised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def specs(self) -> list[object]:
            return []

        def model_entry(self) -> None:
            return None

        def prepare(self) -> None:
            raise RuntimeError("no collective")

    clock = UpdateClock(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1), 0)
    silent = SilentRecorder(tmp_path, Broken(), clock, sharded=True)  # type: ignore[arg-type]
    assert silent.snapshot(3)
    assert "no collective" in caplog.text
