"""Runs of W&B, MLflow and trackio as they lie on disk: what each says, and what reading leaves behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from etl.ingest.find import find
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from tests.support.binary_logs import (
    BLOCK,
    MlflowDatabase,
    MlflowFolder,
    TrackioDatabase,
    WandbFile,
    blocks,
    wandb_history,
    wandb_items,
    wandb_run,
)
from tests.support.event_files import field
from tests.support.impostors import STAGES, STEPS


def test_a_record_may_lie_in_several_blocks(tmp_path: Path) -> None:
    long = wandb_history(1, {"note": "x" * 3 * BLOCK, "loss": 0.25})
    path = tmp_path / "a.wandb"
    path.write_bytes(blocks([wandb_run("a"), *[wandb_history(0, {"loss": 0.5})] * 300, long]))
    (recording,) = find(path)
    log = recording.scalars({})
    assert (log.lost, log.torn) == ([], 0)
    assert log.rows.to_pylist()[-1]["value"] == 0.25


def test_a_run_of_wandb_says_its_name_config_and_end(tmp_path: Path) -> None:
    path = WandbFile().stage(tmp_path, STAGES)
    config = field(5, wandb_items({"lr": 0.1}))
    path.write_bytes(path.read_bytes() + blocks([config, field(18, field(1, 1))])[7:])
    ingest([path], tmp_path / "store")
    (run,) = Store(tmp_path / "store").runs().to_pylist()
    assert (run["run"], run["status"], run["config"]) == ("quiet-wood-3", "failed", '{"n_layer": 6, "lr": 0.1}')
    assert run["created_at"] == 1.7e9


def test_numbers_that_wandb_writes_without_json_are_read(tmp_path: Path) -> None:
    items = field(1, field(1, b"n") + field(5, -3)) + field(1, field(2, b"a") + field(2, b"b") + field(6, 0.5))
    path = tmp_path / "a.wandb"
    path.write_bytes(blocks([field(2, items + field(2, field(1, 7)))]))
    (recording,) = find(path)
    rows = recording.scalars({}).rows.to_pylist()
    assert [(row["step"], row["name"], row["value"]) for row in rows] == [(7, "n", -3.0), (7, "a/b", 0.5)]


@pytest.mark.parametrize("example", [MlflowDatabase(), TrackioDatabase()])
def test_a_database_that_is_being_written_is_read_and_left_as_it_was(
    example: MlflowDatabase | TrackioDatabase, tmp_path: Path
) -> None:
    path = example.stage(tmp_path, 1)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        before = sorted(tmp_path.iterdir())
        for step in range(STEPS // STAGES, STEPS):
            example._row(writer, "aa01", step, 0.5)
        writer.commit()
        live = sorted(tmp_path.iterdir())
        (recording,) = find(path)
        assert recording.scalars({}).rows.num_rows == STEPS
        assert sorted(tmp_path.iterdir()) == live
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert recording.scalars({}).rows.num_rows == STEPS
    assert sorted(tmp_path.iterdir()) == [path], before


def test_runs_of_mlflow_say_their_name_params_and_end(tmp_path: Path) -> None:
    ingest([MlflowFolder().stage(tmp_path, STAGES), MlflowDatabase().stage(tmp_path, STAGES)], tmp_path / "store")
    runs = sorted(Store(tmp_path / "store").runs().to_pylist(), key=lambda run: str(run["run"]))
    assert [(run["run"], run["status"], run["config"]) for run in runs] == [
        ("zealous-fox", "finished", '{"lr": "0.1"}'),
        ("zealous-fox-2", "finished", '{"lr": "0.1"}'),
    ]


def test_what_mlflow_marks_as_no_number_is_nan(tmp_path: Path) -> None:
    path = MlflowDatabase().stage(tmp_path, 1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO metrics VALUES ('loss', 0, 1700000009000, 'aa01', 9, 1)")
    (recording,) = find(path)
    assert recording.scalars({}).rows["value"].to_pylist()[-1] != 0


def test_a_run_of_wandb_that_was_resumed_is_one_run(tmp_path: Path) -> None:
    store, root = tmp_path / "store", tmp_path / "wandb"

    def write(folder: str, steps: range, value: float, *more: bytes) -> Path:
        path = root / folder / "run-a1b2.wandb"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [wandb_history(step, {"loss": value}) for step in steps]
        path.write_bytes(blocks([wandb_run("wood"), *rows, *more]))
        return path

    def stored() -> list[tuple[str, int, float]]:
        rows = Store(store).sql("SELECT run, step, value FROM scalars ORDER BY ALL").to_pylist()
        return [(row["run"], row["step"], row["value"]) for row in rows]

    first = write("offline-run-20240101_120000-a1b2", range(4), 0.5, field(18, field(1, 0)))
    ingest([root], store)
    write("run-20240102_110000-a1b2", range(2, 6), 0.25)
    (report,) = ingest([root], store)
    expected = [("wood", step, 0.5 if step < 2 else 0.25) for step in range(6)]
    assert (report.run, stored()) == ("wood", expected)
    assert not ingest([root], store)[0].changed
    assert Store(store).sql("SELECT status FROM runs")["status"].to_pylist() != ["finished"], (
        "the last file has no end"
    )
    write("run-20240102_110000-a1b2", range(2, 7), 0.25)
    ingest([root], store)
    assert stored() == [*expected, ("wood", 6, 0.25)]
    ingest([first], store)
    assert stored() == [*expected, ("wood", 6, 0.25)]
