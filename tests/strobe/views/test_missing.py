"""Why something is not there, said after looking."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.record import Recorder
from strobe.views.missing import why_missing
from strobe.views.run_view import CatalogueTables, RunView, snapshot_steps
from tests.support.checkpoints import safetensors


@pytest.fixture
def view(tmp_path: Path) -> RunView:
    one = np.ones((2, 2), np.float32)
    tensors = [(name, section, ("out", "in"), one) for name, section in (("a", "params"), ("b", "params"))]
    with Recorder(tmp_path / "run", [*tensors, ("r", "residual", ("out", "in"), one)], scalars=()) as recorder:
        recorder.snapshot(0)
    ingest([tmp_path / "run"], tmp_path / "store")
    tables = CatalogueTables(Store(tmp_path / "store").current())
    return RunView(tables, "run", snapshot_steps(tables, "run"))


def test_what_was_looked_at_is_said(view: RunView) -> None:
    assert why_missing(view, "embedding", "params", needs="one has a role") == (
        "This run has no embedding to show: none of the 2 tensors of the section “params” is one (one has a role)."
    )
    assert why_missing(view, "attention", "attention") == (
        "This run recorded no attention: its snapshots have no section “attention”; they hold params, residual."
    )
    assert why_missing(RunView(view.tables, "run"), "attention", "attention") == (
        "This run has no snapshots, so there is no attention to show."
    )
    for what, words in (("gradients", "are no gradients"), ("moments of Adam", "are no moments of Adam")):
        assert f"so there {words} to show" in why_missing(RunView(view.tables, "run"), what, "attention")


def test_statistics_without_values_are_no_absence(view: RunView, tmp_path: Path) -> None:
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("residual", "buffers"))
    assert why_missing(view, "stream", "residual").startswith(
        "This run keeps statistics of 1 tensor of the section “residual” and not their values"
    )


def test_snapshots_that_are_gone_are_no_absence_either(view: RunView, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "run")
    assert why_missing(view, "weight matrix", "params").startswith(
        "The snapshots of this run are not where they were, so there is no weight matrix to show."
    )


def test_what_checkpoints_never_hold_is_said_as_that(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "step1.safetensors").write_bytes(safetensors({"w": np.ones((2, 2), np.float32)}))
    ingest([tmp_path / "run"], tmp_path / "store")
    tables = CatalogueTables(Store(tmp_path / "store").current())
    assert why_missing(RunView(tables, "run", (1,)), "attention", "attention") == (
        "This run is made of checkpoints, which hold a model's parameters and nothing of a step: no attention."
    )
