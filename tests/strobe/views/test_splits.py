"""What held-out data is called: as the task or the log calls it, everywhere alike."""

from __future__ import annotations

import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.record import Recorder
from strobe.views.milestones import milestones
from strobe.views.run_view import CatalogueTables
from strobe.views.split_curves import LOSSES, curves_of
from strobe.views.splits import held_out

LOGS = {"val": ("val_loss", {}), "eval": ("eval_loss", {}), "addition": ("val_loss", {"kind": "modular_addition"})}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> CatalogueTables:
    root = tmp_path_factory.mktemp("splits")
    for name, (metric, task) in LOGS.items():
        with Recorder(root / name, [], task=task) as recorder:
            for step in range(5):
                recorder.log(step, {metric: 5.0 - step, "train_loss": 4.0 - step})
    with Recorder(root / "named", [], metric_names={"test/loss": "val_loss"}) as recorder:
        recorder.log(0, {"test/loss": 1.0})
    ingest([root], root / "store")
    return CatalogueTables(Store(root / "store").current())


def test_the_word_is_the_tasks_or_the_logs(tables: CatalogueTables) -> None:
    words = held_out(tables, [*LOGS, "named"])
    assert words == {"val": "validation", "eval": "validation", "addition": "test", "named": "test"}
    curves = curves_of(tables, ["val", "addition"], LOSSES)
    assert [(curve.run, curve.metric, curve.split) for curve in curves] == [
        ("val", "val_loss", "validation"), ("val", "train_loss", "train"),
        ("addition", "val_loss", "test"), ("addition", "train_loss", "train"),
    ]  # fmt: skip


def test_a_run_that_nobody_asks_for_grokking_says_nothing_of_it(tables: CatalogueTables) -> None:
    assert milestones(tables, "val").sentence().startswith("Validation-loss peak: none")
    assert milestones(tables, "val").rules().startswith("Validation-loss peak: ")
    assert milestones(tables, "addition").sentence().startswith("Grokking onset: none (not recorded)")
    assert "Test-loss peak: none" in milestones(tables, "addition").sentence()
