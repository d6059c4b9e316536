"""What a movement is called of runs that keep weights, statistics alone, or some of each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import strobe
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.cli import app
from strobe.views.health import health
from strobe.views.movement import BOTH, NET, ONE_STEP, Words, words
from strobe.views.run_view import CatalogueTables, RunView, snapshot_steps


@pytest.fixture
def stats(tmp_path: Path) -> Path:
    return record(tmp_path, "stats", 3)


def record(root: Path, keep: str | dict[str, str], snapshots: int) -> Path:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run = strobe.watch(model, optimizer, root / "run", every=10, keep=keep)
    for _ in range(10 * (snapshots - 1) + 1):
        optimizer.zero_grad()
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    run.finish("interrupted")
    ingest([root / "run"], root / "store")
    return root / "store"


@pytest.mark.parametrize(
    ("keep", "called"), [("full", NET), ("stats", ONE_STEP), ({"params": "full", "grads": "stats"}, NET)]
)
def test_a_movement_is_called_by_what_is_kept(tmp_path: Path, keep: str | dict[str, str], called: Words) -> None:
    tables = CatalogueTables(Store(record(tmp_path, keep, 2)).current())
    assert words(RunView(tables, "run", snapshot_steps(tables, "run"))) == called
    assert BOTH.quantity == NET.quantity


def test_with_statistics_alone_it_is_said_what_frozen_takes(stats: Path) -> None:
    sentence = health(CatalogueTables(Store(stats).current()), "run").sentence()
    assert sentence.endswith("whether one is frozen, which takes movements at 3 snapshots, and 2 have one.")


@pytest.mark.parametrize("figure", [["weights"], ["weights", "--tensor", "weight"], ["embedding"]])
def test_a_figure_of_weights_says_that_statistics_alone_were_kept(stats: Path, figure: list[str]) -> None:
    panel, *options = figure
    said = CliRunner().invoke(app, ["plot", panel, "run", *options, "--store", str(stats)])
    assert said.exit_code != 0
    assert "keeps statistics of 2 tensors of the section “params” and not their values" in str(said.exception)
