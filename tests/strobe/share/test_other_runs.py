"""Shares of runs that were recorded otherwise: statistics alone, checkpoints of another program, a study."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.layout import place
from etl.run.writer import SnapshotWriter
from etl.store.catalogue import Store
from strobe.derive.filling.staleness import stale
from strobe.settings import example_path
from strobe.share.bundle import share
from tests.support.checkpoints import safetensors
from tests.support.make_run import make_run
from tests.support.places import ROOT


def shared(store: Store, run: str, root: Path, mb: float = 25) -> tuple[Store, dict[str, Any]]:
    target = root / "out"
    (report,) = share(store, [store.run(run)], target, int(mb * 1e6), root=ROOT)["runs"]
    return Store(target / "store"), report


def test_statistics_alone_stay_what_they_were(tmp_path: Path) -> None:
    source = Run(make_run(tmp_path / "src", steps=(0, 100), layers=1))
    tensor = {"name": "stats/params.w", "section": "stats", "dims": ["statistic"], "shape": [11], "dtype": "float64"}
    tensors, size = place([tensor])
    raw = source.manifest.raw | {"snapshot": {"bytes": size, "tensors": tensors}}
    (tmp_path / "told").mkdir()
    writer = SnapshotWriter(tmp_path / "told", raw, fsync=False)
    for step in (0, 100):
        told = np.array([6, 2.5, 0.1, 1, -1, 1e300, 1e300, 0, 0, np.nan, np.nan])
        writer.write(step, {"stats/params.w": told + step}, time=1.0)
    for name in ("metrics.jsonl", "attempts.jsonl"):
        shutil.copy(source.folder / name, tmp_path / "told")
    ingest([tmp_path / "told"], tmp_path / "store")
    made, report = shared(Store(tmp_path / "store"), "src", tmp_path)
    run = made.run("src")
    assert run.steps() == [0, 100]
    assert report["snapshots"]["stored"] == {}
    given = Run(tmp_path / "told").at(100)["stats/params.w"]
    assert run.at(100)["stats/params.w"].tobytes() == given.tobytes()


def test_checkpoints_of_another_program_become_snapshots(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "llm").mkdir()
    for step in (0, 10, 20):
        arrays = {"a.weight": random.normal(size=(8, 16)).astype(np.float32), "a.bias": np.zeros(8, np.float32)}
        (tmp_path / "llm" / f"model_{step:05d}.safetensors").write_bytes(safetensors(arrays))
    ingest([tmp_path / "llm"], tmp_path / "store")
    store = Store(tmp_path / "store")
    made, _ = shared(store, "llm", tmp_path)
    given, run = store.run("llm"), made.run("llm")
    assert run.steps() == [0, 10, 20]
    for entry in run.recording().manifest.raw["snapshot"]["tensors"]:
        far = np.abs(run.at(10).values(entry["name"]) - given.at(10).values(entry["name"])).max()
        assert far <= entry["stored"]["max_error"]
    assert made.damage == []


def test_a_study_keeps_what_its_tables_are_filled_from(tmp_path: Path) -> None:
    example = example_path()
    assert example is not None
    made, report = shared(Store(example), "memorization-example", tmp_path)
    run = made.run("memorization-example")
    assert run.folder is not None
    assert [stale(run, table) for table in ("passages", "compression", "findings")] == [[], [], []]
    assert report["study_bytes"] > 0
    assert json.loads((run.folder / "memorization" / "study.json").read_text())
    query = "SELECT * FROM passages ORDER BY ALL"
    assert made.sql(query).equals(Store(example).sql(query))
