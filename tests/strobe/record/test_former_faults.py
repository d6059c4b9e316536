"""Twelve small programs that a recorder, or a reader of its run, once failed: one test each, called by its fault."""

from __future__ import annotations

import argparse
import errno
import gc
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from etl.ingest.load import ingest
from etl.run.file_names import MANIFEST
from etl.run.folder import Run
from etl.run.journal import METRICS, read_metrics
from strobe import cli
from strobe.record import Recorder, RecorderError, TensorSpec
from strobe.record.lock import LOCK
from strobe.settings import open_store
from strobe.views import attention_frames, head_scores
from strobe.views.run_view import CatalogueTables, RunView

ONES = ("w", "params", ["a"], torch.ones(2))
AXES = ["layer", "probe", "head", "query", "key"]


def recorder(folder: Path, tensors: Any = (ONES,), **options: Any) -> Recorder:
    return Recorder(folder, list(tensors), model={"family": "x"}, when_full="wait", **options)


def ingested(folder: Path, attention: torch.Tensor) -> RunView:
    with recorder(folder / "run", [("att", "attention", AXES, attention)]) as run:
        assert all(run.snapshot(step) for step in range(3))
    ingest([folder / "run"], folder / "store")
    return RunView(CatalogueTables(open_store(folder / "store").current()), "run", (0, 1, 2))


def test_1_a_parameter_that_was_replaced(tmp_path: Path) -> None:
    model = nn.Linear(4, 4)
    with recorder(tmp_path / "run", [("w", "params", ["o", "i"], model.weight)]) as run:
        run.snapshot(0)
        zeros = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
        model.load_state_dict(zeros, assign=True)
        run.snapshot(1)
    assert Run(tmp_path / "run").at(0)["params/w"].any()
    assert not Run(tmp_path / "run").at(1)["params/w"].any()


def test_2_attention_that_looks_ahead(tmp_path: Path) -> None:
    attention = torch.rand(2, 2, 2, 12, 12).softmax(-1)
    view = ingested(tmp_path, attention)
    frames = attention_frames.frames(view, view.steps, False)
    assert not frames.masked.any()
    np.testing.assert_allclose(frames.recorded(view, 2), attention.mean(1).numpy(), rtol=1e-6)


def test_3_cross_attention(tmp_path: Path) -> None:
    attention = torch.rand(2, 1, 4, 5, 9).softmax(-1)
    view = ingested(tmp_path, attention)
    done = CliRunner().invoke(cli.app, ["analyze", "run", "--store", str(tmp_path / "store")])
    assert done.exit_code == 0, done.output
    frames = attention_frames.frames(view, view.steps, False)
    np.testing.assert_allclose(frames.recorded(view, 2), attention.mean(1).numpy(), rtol=1e-6)
    assert "5 queries on 9 keys" in head_scores.why_none(view)


def test_4_an_argument_that_raised_into_the_loop(tmp_path: Path) -> None:
    with recorder(tmp_path / "run") as run:
        run.log("7")
        run.log(None)
        run.log(float("nan"))
        run.log(1, step=1)
        run.log(1, {"loss": 1})
        assert not run.snapshot("7")  # type: ignore[arg-type]
        assert not run.snapshot(None)  # type: ignore[arg-type]
    assert (run.status.lost_lines, run.status.missed) == (3, 2)
    assert {"step": 1, "loss": 1}.items() <= read_metrics(tmp_path / "run" / METRICS).rows[-1].items()


def test_5_metrics_called_as_a_lines_own_words(tmp_path: Path) -> None:
    with recorder(tmp_path / "run") as run:
        for step in range(3):
            run.log(step, train_loss=1.0, time=0.25 * step, attempt=-1)
    rows = read_metrics(tmp_path / "run" / METRICS).rows
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert all(row["time"] > 1e9 and "attempt" not in row for row in rows)
    assert run.status.lost_values == 6


def test_6_a_start_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("etl.run.writer.write_all", full)
        with pytest.raises(RecorderError, match="No space left on device"):
            recorder(tmp_path / "run")
    assert not (tmp_path / "run" / LOCK).exists()
    recorder(tmp_path / "run").finish()


def test_7_one_bad_tensor_and_all_the_others(tmp_path: Path) -> None:
    embedding, idle = nn.Embedding(9, 2, sparse=True), nn.Linear(2, 2)
    embedding(torch.tensor([1])).sum().backward()
    specs = [
        ONES,
        TensorSpec("none", "grads", ["o", "i"], lambda: idle.weight.grad, (2, 2), "float32"),
        TensorSpec("sparse", "grads", ["o", "i"], lambda: embedding.weight.grad, (9, 2), "float32"),
    ]
    with recorder(tmp_path / "run", specs) as run:
        assert run.snapshot(0, {"my_metric": 1.0})
    found = Run(tmp_path / "run").at(0)
    assert found["params/w"].tolist() == [1, 1]
    assert found["grads/sparse"].sum() == 2
    assert run.status.why == {"grads/none: had no gradient": 1}


def test_8_a_snapshot_of_step_0_after_its_update(tmp_path: Path) -> None:
    model = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    with recorder(tmp_path / "run", [("w", "params", ["o", "i"], model.weight)]) as run:
        for step in range(2):
            optimizer.zero_grad()
            model(torch.ones(2, 4)).pow(2).mean().backward()
            optimizer.step()
            run.snapshot(step)
    found = Run(tmp_path / "run")
    assert found.at(0).spec("params/w")["taken"] == "after_update"
    assert found.manifest.training["updates_ahead"] == 1


@pytest.mark.parametrize("model", [nn.Linear(2, 2), nn.Linear(2, 2).named_parameters()], ids=["module", "pairs"])
def test_9_a_start_that_raised_what_it_does_not_promise(tmp_path: Path, model: Any) -> None:
    with pytest.raises(RecorderError, match="give a TensorSource, or a list"):
        Recorder(tmp_path / "run", model)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(2, device="meta"), nn.LazyLinear(2).weight, torch.ones(2).to_sparse(),
        torch.ones(2).to(torch.float8_e4m3fn),
    ],
    ids=["meta", "lazy", "sparse", "float8"],
)  # fmt: skip
def test_9_a_tensor_of_an_odd_kind_at_the_start(tmp_path: Path, tensor: Any) -> None:
    odd = ("odd", "params", ["a"], tensor)
    with recorder(tmp_path / "run", [ONES, odd], training=argparse.Namespace(lr=1)) as run:
        assert run.snapshot(0)
    manifest = json.loads((tmp_path / "run" / MANIFEST).read_text())
    assert manifest["training"]["lr"] == 1
    assert [tensor["name"] for tensor in manifest["snapshot"]["tensors"]][:2] == ["params/w", "params/odd"]


def test_9_a_manifest_of_another_program(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(RecorderError):
        recorder(tmp_path, resume=True)


def test_10_metrics_that_are_no_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with recorder(tmp_path / "run") as run:
        for step in range(4):
            run.log(step, train_loss=1.0, lrs=[1, 2], note="warm", t=torch.ones(3))
            assert run.snapshot(step)
            run.flush()
    assert (run.status.recorded, run.status.lost_values) == (4, 12)
    assert sorted(run.status.why.values()) == [4, 4, 4]
    assert "works again" not in caplog.text


def test_11_a_cell_of_a_notebook_that_is_run_again(tmp_path: Path) -> None:
    first = recorder(tmp_path / "run")
    first.snapshot(0)
    first.flush()
    del first
    gc.collect()
    second = recorder(tmp_path / "run", resume=True, step=1)
    assert second.snapshot(1)
    second.finish()
    assert Run(tmp_path / "run").steps() == [0, 1]


@pytest.mark.parametrize(
    ("code", "words"), [(errno.EROFS, "Read-only file system"), (errno.ENOSPC, "No space left on device")]
)
def test_12_a_store_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, words: str
) -> None:
    with recorder(tmp_path / "run") as run:
        run.snapshot(0)

    def refused(*_: Any) -> None:
        raise OSError(code, words)

    monkeypatch.setattr("etl.store.files.replacing_path", refused)
    monkeypatch.setattr(sys, "argv", ["strobe", "ingest", str(tmp_path / "run"), "--store", str(tmp_path / "store")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("strobe: ")
    assert words in said
