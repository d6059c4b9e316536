"""A snapshot that was recorded without what a table needs has no rows of it, which is no damage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from etl.ingest.load import ingest
from etl.run.snapshot_errors import LacksError
from etl.store.catalogue import Store
from strobe.cli import app
from strobe.derive.analysis import Row, SnapshotAnalysis
from strobe.derive.filling.deriver import Deriver
from strobe.derive.filling.staleness import stale
from strobe.derive.registry import ANALYSES
from strobe.derive.subject import Subject
from tests.support.planted import run_folder

WHY = "tensor 'params/wte' has no data here: had no gradient"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    ingest([run_folder(tmp_path / "planted")], tmp_path / "store")
    heads = cast("SnapshotAnalysis", ANALYSES["heads"])

    def rows(subject: Subject, step: int) -> list[Row]:
        if step == 100:
            raise LacksError(WHY)
        return heads.rows(subject, step)

    monkeypatch.setitem(ANALYSES, "heads", replace(heads, rows=rows))
    return tmp_path / "store"


def test_it_is_told_once_and_the_table_is_up_to_date(store: Path) -> None:
    opened = Store(store)
    report = Deriver(opened, opened.run("planted")).fill(["heads"])
    assert (report.computed, report.bad) == ({"heads": 2}, [])
    assert report.lacking == [("heads at step 100", WHY)]
    assert stale(opened.run("planted"), "heads") == []
    again = Deriver(opened, opened.run("planted")).fill(["heads"])
    assert (again.current, again.lacking) == (["heads"], [])
    assert opened.sql("SELECT DISTINCT step FROM heads ORDER BY step")["step"].to_pylist() == [0, 200]


def test_the_command_says_so_and_has_not_failed(store: Path) -> None:
    told = CliRunner().invoke(app, ["analyze", "planted", "--only", "heads", "--store", str(store)])
    assert told.exit_code == 0
    assert f"no rows of heads at step 100: {WHY}" in told.stdout


def test_a_step_with_rows_that_were_lost_is_computed_again(store: Path) -> None:
    opened = Store(store)
    Deriver(opened, opened.run("planted")).fill(["heads"])
    for part in (store / "tables" / "heads").glob("*/*.parquet"):
        part.write_bytes(bytes(part.stat().st_size))
    assert stale(opened.run("planted"), "heads") == [0, 200]
