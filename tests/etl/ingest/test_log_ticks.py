"""Looking again at a log that grows: what is stored is not read again, and what comes is as if it had been there."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from etl.ingest.load import ingest
from etl.ingest.sources.snapshots import RunFolder
from etl.store.catalogue import Store
from etl.store.files import Files
from tests.support.make_run import make_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """One that has not ended, without a snapshot."""
    folder = make_run(tmp_path / "run", steps=(0,), layers=1, end=None)
    (folder / "step_000000.bin").unlink()
    (folder / "metrics.jsonl").write_text("")
    return folder


def log(run: Path, *rows: dict[str, Any]) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps({"time": 1.0, **row}) + "\n" for row in rows)


def look(run: Path) -> bool:
    (report,) = ingest([run], run.parent / "store")
    return report.changed


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read from here on of stored rows and of the log."""
    seen: list[str] = []
    whole, scalars = Files.read_table, RunFolder.scalars

    def read_table(files: Files, name: str, *columns: Any) -> Any:
        seen.extend(["stored"] * name.startswith("tables/scalars/"))
        return whole(files, name, *columns)

    def read_log(run: RunFolder, since: Any) -> Any:
        seen.extend(["the whole log"] * (since.get("metrics_end", 0) == 0))
        return scalars(run, since)

    monkeypatch.setattr(Files, "read_table", read_table)
    monkeypatch.setattr(RunFolder, "scalars", read_log)
    return seen


def test_nothing_that_is_stored_is_read_for_nothing_or_for_a_line_more(run: Path, read: list[str]) -> None:
    log(run, {"step": 1, "loss": 2.0}, {"step": 2, "loss": 3.0})
    assert look(run)
    read.clear()
    assert not look(run)
    log(run, {"step": 3, "loss": 1.0})
    assert look(run)
    assert read == []
    (metric,) = Store(run.parent / "store").sql("SELECT n, last_value, min, min_step FROM metrics").to_pylist()
    assert metric == {"n": 3, "last_value": 1.0, "min": 1.0, "min_step": 3}


def test_a_line_more_reads_each_small_table_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log(run, {"step": 1, "loss": 2.0})
    assert look(run)
    seen: list[str] = []
    whole = Files.read_table
    monkeypatch.setattr(Files, "read_table", lambda files, name, *of: seen.append(name) or whole(files, name, *of))
    log(run, {"step": 2, "loss": 1.0})
    assert look(run)
    assert len(seen) == len(set(seen))


def test_a_report_says_whether_what_came_is_finite(run: Path) -> None:
    def came(*rows: dict[str, Any]) -> bool:
        log(run, *rows)
        return ingest([run], run.parent / "store")[0].nonfinite

    assert not came({"step": 1, "loss": 2.0})
    assert not came()
    assert came({"step": 2, "loss": "NaN"})
    assert not came({"step": 3, "loss": 1.0, "grad_norm": None})
    assert came({"step": 3, "loss": 2.0}), "another value in place of one, which may have been anything"


def test_another_metric_of_a_step_that_is_stored_does_not_read_the_log_again(run: Path, read: list[str]) -> None:
    log(run, {"step": 1, "loss": 2.0})
    look(run)
    read.clear()
    log(run, {"step": 1, "val_loss": 4.0})
    look(run)
    assert "the whole log" not in read
    log(run, {"step": 1, "val_loss": 5.0})
    look(run)
    assert "the whole log" in read
    rows = Store(run.parent / "store").sql("SELECT name, value FROM scalars ORDER BY name").to_pylist()
    assert rows == [{"name": "train_loss", "value": 2.0}, {"name": "val_loss", "value": 5.0}]


def test_a_run_is_running_while_its_newest_line_is_young(run: Path) -> None:
    def status() -> str:
        return str(Store(run.parent / "store").sql("SELECT status FROM runs").to_pylist()[0]["status"])

    log(run, {"step": 1, "loss": 2.0})
    look(run)
    assert status() == "unknown"
    log(run, {"step": 2, "loss": 2.0, "time": time.time()})
    look(run)
    assert status() == "running"
    log(run, {"step": 3, "loss": 2.0})
    look(run)
    assert status() == "running"
