"""The embedded examples: what they hold, and that one can be remade beside the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from etl.store.catalogue import Store
from strobe.example import embed
from strobe.studies.memorization.experiment import begin
from strobe.ui.shell.page import _default_run
from strobe.views.memorization import study
from strobe.views.memorization_report import lead
from strobe.views.run_view import CatalogueTables, RunView
from tests.support.places import ROOT
from tests.support.small_study import small_plan

EXAMPLES = ROOT / "examples"
STUDY = "memorization-example"


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_examples_are_a_run_that_groks_and_a_finished_study() -> None:
    rows = {row["run"]: row for row in Store(EXAMPLES).sql("SELECT * FROM runs").to_pylist()}
    assert set(rows) == {"grok-p97", STUDY}
    assert rows[STUDY]["status"] == "finished"
    assert _default_run(rows, "curves") == "grok-p97"
    assert _default_run(rows, "memorization") == STUDY
    tables = (EXAMPLES / "tables").glob(f"*/run={STUDY}")
    assert sum(map(size, tables)) + size(EXAMPLES / "runs" / STUDY) < 500_000


def test_the_study_is_whole_and_says_what_it_found() -> None:
    catalogue = Store(EXAMPLES).current()
    shown = study(RunView(CatalogueTables(catalogue), STUDY, tuple(catalogue.run(STUDY).steps())))
    assert shown is not None
    assert shown.memorized("trained")[-1] == shown.group("trained").sum()
    assert shown.accuracy("trained")[-1] >= 0.9
    assert "survive" in lead(shown)


@pytest.mark.parametrize("before", [True, False])
def test_a_study_is_embedded_beside_what_there_is(tmp_path: Path, before: bool) -> None:
    target, run = tmp_path / "examples", tmp_path / "small"
    if before:
        shutil.copytree(EXAMPLES, target, ignore=shutil.ignore_patterns("*.bin", "run=grok-p97", "grok-p97"))
    begin(run, small_plan(), resume=False).run(lambda *_: None)
    assert embed(run, target) == size(target)
    store = Store(target)
    runs = store.sql("SELECT run FROM runs ORDER BY run")["run"].to_pylist()
    assert runs == ([STUDY, "small"] if before else ["small"])
    assert store.sql("SELECT count(*) AS n FROM findings WHERE run = 'small'")["n"][0].as_py() > 0
    assert store.run("small").at(0).names == [
        "probe/tokens",
        *(n for n in store.run("small").at(0).names if "scalars" in n),
    ]
    assert str(tmp_path).encode() not in b"".join(path.read_bytes() for path in target.rglob("*") if path.is_file())
