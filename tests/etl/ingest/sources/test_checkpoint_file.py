"""A checkpoint's file by itself, and the files beside checkpoints that are none."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from etl.checkpoints.steps import steps_of
from etl.errors import StrobeError
from etl.ingest.find import survey
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.cli import app


def save(path: Path, **facts: int) -> Path:
    torch.save({"model": {"layers.0.weight": torch.full((2, 3), 2.0)}, **facts}, path)
    return path


def bare_pickle(path: Path) -> Path:
    path.write_bytes(pickle.dumps({"layers.0.weight": np.ones(3)}))
    return path


def test_a_file_that_is_given_is_a_run_of_one_step(tmp_path: Path) -> None:
    path = save(tmp_path / "my model.pt", iter_num=250)
    (report,) = ingest([path], tmp_path / "store")
    assert (report.run, report.snapshots, report.lost) == ("my-model", 1, [])
    (again,) = ingest([path], tmp_path / "store")
    assert not again.changed
    run = Store(tmp_path / "store").run("my-model")
    assert run.steps() == [250]
    np.testing.assert_array_equal(run.at(250)["params/layers.0.weight"], np.full((2, 3), 2.0))
    said = CliRunner().invoke(app, ["verify", str(path), "--store", str(tmp_path / "store")])
    assert said.output.startswith("1 snapshots verified")
    save(path, iter_num=500)
    ingest([path], tmp_path / "store")
    assert Store(tmp_path / "store").run("my-model").steps() == [500]


@pytest.mark.parametrize(
    ("name", "facts", "step", "unknown"),
    [
        ("step1000.pt", {}, 1000, False),
        ("300.pth", {}, 300, False),
        ("step1000.pt", {"iter_num": 7}, 7, False),
        ("llama-7b.pt", {}, 0, True),
    ],
)
def test_the_step_of_a_file(tmp_path: Path, name: str, facts: dict[str, int], step: int, unknown: bool) -> None:
    found = steps_of(save(tmp_path / name, **facts))
    assert (list(found.paths), found.unknown) == ([step], unknown)


def test_a_file_that_nobody_pointed_at_is_no_run(tmp_path: Path) -> None:
    save(tmp_path / "mine.pt")
    with pytest.raises(StrobeError, match="of its 1 files none is"):
        survey(tmp_path)


def test_a_pickle_among_checkpoints_is_named_with_its_reason(tmp_path: Path) -> None:
    for epoch in (1, 2):
        save(tmp_path / f"epoch_{epoch}.pt")
    bare_pickle(tmp_path / "epoch_3.pt")
    (report,) = ingest([tmp_path], tmp_path / "store")
    assert report.snapshots == 2
    (lost,) = report.lost
    assert lost.file == "epoch_3.pt"
    assert lost.reason.startswith("is a pickle that PyTorch did not write")


def test_a_pickle_that_is_passed_over_is_named_with_its_reason(tmp_path: Path) -> None:
    for epoch in (1, 2):
        save(tmp_path / f"epoch_{epoch}.pt")
    bare_pickle(tmp_path / "weights.pkl")
    said = CliRunner().invoke(app, ["ingest", str(tmp_path), "--store", str(tmp_path / "store"), "--dry-run"])
    assert "weights.pkl is a pickle that PyTorch did not write" in said.stderr


@pytest.mark.parametrize("given", ["w.pkl", "."])
def test_a_pickle_alone_is_refused_with_its_reason(tmp_path: Path, given: str) -> None:
    bare_pickle(tmp_path / "w.pkl")
    with pytest.raises(StrobeError, match="is a pickle that PyTorch did not write: a pickle runs code"):
        survey(tmp_path / given)
