"""Runs in parts: tensors that appear, vanish and change their shape, each snapshot read by the manifest it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.layout import place
from etl.run.manifest import ManifestError, parse
from etl.run.snapshot_errors import SnapshotError
from etl.run.verify import verify_run
from etl.run.writer import SnapshotWriter
from etl.store.catalogue import Store

Shapes = Mapping[str, tuple[int, ...] | str]


def manifest(shapes: Shapes) -> dict[str, Any]:
    """Of float32 tensors; text in place of a shape says why (2,) of them are missing."""
    tensors, size = place([
        {"name": name, "section": name.partition("/")[0], "dims": ["a", "b"][: len(shape)], "shape": list(shape),
         "dtype": "float32", **({"missing": said} if isinstance(said, str) else {})}
        for name, said in shapes.items()
        for shape in ([(2,) if isinstance(said, str) else said])
    ])  # fmt: skip
    return {
        "format": "strobe-snapshot", "version": 1, "model": {"family": "x"},
        "run": {"id": "parts", "name": "parts", "created_at": 1.0, "writer": "test"},
        "snapshot": {"bytes": size, "tensors": tensors},
    }  # fmt: skip


def arrays(shapes: Shapes, value: float) -> dict[str, np.ndarray]:
    return {name: np.full(said, value, np.float32) for name, said in shapes.items() if not isinstance(said, str)}


PARTS: list[Shapes] = [
    {"params/w": (2, 3), "grads/w": "had no gradient"},
    {"params/w": (2, 3), "grads/w": (2, 3)},
    {"params/w": (4, 3), "grads/w": (4, 3), "params/new": (2,)},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    writer = SnapshotWriter(tmp_path / "run", manifest(PARTS[0])) if (tmp_path / "run").mkdir() is None else None
    assert writer is not None
    for step, part in enumerate([0, 1, 0, 2, 2]):
        writer.begin_part(manifest(PARTS[part]))
        writer.write(step, arrays(PARTS[part], step))
    return tmp_path / "run"


def test_each_layout_has_one_manifest_and_each_snapshot_names_its_own(folder: Path) -> None:
    assert sorted(path.name for path in folder.glob("manifest*")) == [
        "manifest.1.json", "manifest.2.json", "manifest.json",
    ]  # fmt: skip
    run = Run(folder)
    assert [entry["name"] for entry in run.manifest.raw["snapshot"]["tensors"]] == [
        "params/w",
        "grads/w",
        "params/new",
    ]
    assert [run.as_recorded(path)["params/w"].shape for path in run.current().values()] == [
        *[(2, 3)] * 3, (4, 3), (4, 3),
    ]  # fmt: skip
    assert ["grads/w" in run.at(step) for step in range(5)] == [False, True, False, True, True]
    assert run.at(4)["params/new"].tolist() == [4.0, 4.0]
    assert all(finding.status == "ok" for finding in verify_run(folder))


def test_what_is_missing_or_of_another_shape_is_refused_by_name(folder: Path) -> None:
    run = Run(folder)
    with pytest.raises(SnapshotError, match="'grads/w' has no data here: had no gradient"):
        run.at(2)["grads/w"]
    with pytest.raises(SnapshotError, match=r"'params/w' is \[2, 3\] here, and \[4, 3\] in the last part of the run"):
        run.at(2)["params/w"]
    assert run.at(3)["params/w"].shape == (4, 3)


def test_a_part_that_began_after_the_run_was_opened_is_found(folder: Path) -> None:
    run = Run(folder)
    writer = SnapshotWriter(folder, json.loads((folder / "manifest.json").read_bytes()))
    shapes: Shapes = {"params/w": (4, 3), "params/later": (1,)}
    writer.begin_part(manifest(shapes))
    writer.write(9, arrays(shapes, 9))
    assert run.at(9)["params/later"].tolist() == [9.0]


def test_a_damaged_part_costs_its_own_snapshots(folder: Path) -> None:
    (folder / "manifest.1.json").write_text("{")
    run = Run(folder)
    with pytest.raises(SnapshotError, match="written under another manifest"):
        run.at(1)
    assert run.at(4)["params/new"].tolist() == [4.0, 4.0]
    bad = [finding.name for finding in verify_run(folder) if finding.status == "bad"]
    assert bad == ["manifest.1.json", "step_000001.bin"]


def test_tables_have_rows_of_what_was_there_and_deltas_of_what_was_alike(folder: Path) -> None:
    ingest([folder], folder.parent / "store")
    rows = Store(folder.parent / "store").sql(
        "SELECT section, tensor, step, n, l2, delta_l2 FROM tensors ORDER BY section, tensor, step"
    ).to_pylist()  # fmt: skip
    assert [(row["section"], row["tensor"], row["step"], row["n"]) for row in rows] == [
        ("grads", "w", 1, 6), ("grads", "w", 3, 12), ("grads", "w", 4, 12), ("params", "new", 3, 2),
        ("params", "new", 4, 2), ("params", "w", 0, 6), ("params", "w", 1, 6), ("params", "w", 2, 6),
        ("params", "w", 3, 12), ("params", "w", 4, 12),
    ]  # fmt: skip
    deltas = {(row["tensor"], row["step"]): row["delta_l2"] for row in rows if row["section"] == "params"}
    assert deltas == {
        ("new", 3): None, ("new", 4): pytest.approx(2**0.5), ("w", 0): None, ("w", 1): pytest.approx(6**0.5),
        ("w", 2): pytest.approx(6**0.5), ("w", 3): None, ("w", 4): pytest.approx(12**0.5),
    }  # fmt: skip


def test_a_store_that_is_ingested_as_parts_begin_equals_one_that_was_not(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    writer = SnapshotWriter(tmp_path / "run", manifest(PARTS[0]))
    for step, part in enumerate([0, 1, 0, 2, 2]):
        writer.begin_part(manifest(PARTS[part]))
        writer.write(step, arrays(PARTS[part], step))
        ingest([tmp_path / "run"], tmp_path / "live")
    ingest([tmp_path / "run"], tmp_path / "once")
    sql = "SELECT * FROM tensors ORDER BY section, tensor, step"
    assert Store(tmp_path / "live").sql(sql).equals(Store(tmp_path / "once").sql(sql))


@pytest.mark.parametrize("missing", ["", None, 3, "a\u202eb"])
def test_why_a_tensor_is_missing_is_text(missing: Any) -> None:
    made = manifest({"params/w": "x"})
    made["snapshot"]["tensors"][0]["missing"] = missing
    with pytest.raises(ManifestError, match="missing"):
        parse(json.dumps(made).encode(), "manifest.json")
