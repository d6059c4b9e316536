"""Thinned copies: which steps stay, and that what stays is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from etl.run.folder import Run
from etl.run.layout import place
from etl.run.thin import choose_steps, thin
from etl.run.writer import SnapshotWriter


@given(st.sets(st.integers(0, 10_000), min_size=1), st.integers(2, 50), st.integers(0, 5000), st.integers(0, 5000))
def test_chosen_steps_keep_the_ends_and_the_budget(steps: set[int], count: int, low: int, width: int) -> None:
    ordered = sorted(steps)
    chosen = choose_steps(ordered, count, (low, low + width))
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= steps
    assert (chosen[0], chosen[-1]) == (ordered[0], ordered[-1])
    assert len(chosen) <= count + 2
    assert len(chosen) >= min(len(ordered), count) - 2


def test_half_of_the_steps_lie_where_something_happens() -> None:
    chosen = choose_steps(range(0, 14_001, 100), 30, (1_000, 3_000))
    assert sum(1_000 <= step <= 3_000 for step in chosen) == 15


def _run(folder: Path) -> Run:
    def tensor(name: str, shape: list[int], dtype: str = "float32") -> dict[str, Any]:
        dims = [f"axis{i}" for i in range(len(shape))]
        return {"name": name, "section": name.partition("/")[0], "dims": dims, "shape": shape, "dtype": dtype}

    tensors, size = place(
        [
            tensor("params/wte", [4, 3]),
            tensor("params/huge", [2]),
            tensor("grads/wte", [4, 3]),
            tensor("probe/tokens", [2, 3], "int32"),
            tensor("scalars/train_loss", [1], "float64"),
        ]
    )
    manifest = {
        "format": "strobe-snapshot",
        "version": 1,
        "run": {"id": "t", "name": "t", "created_at": 0.0, "writer": "test"},
        "model": {"family": "mlp"},
        "snapshot": {"bytes": size, "tensors": tensors},
        "task": {"kind": "any"},
    }
    folder.mkdir()
    writer = SnapshotWriter(folder, manifest, fsync=False)
    for step in (0, 10, 20):
        writer.write(
            step,
            {
                "params/wte": np.full((4, 3), step / 8, np.float32),
                "params/huge": np.array([1e30, np.inf], np.float32),
                "grads/wte": np.ones((4, 3), np.float32),
                "probe/tokens": np.ones((2, 3), np.int32),
                "scalars/train_loss": np.array([step / 3]),
            },
            time=float(step),
        )
    return Run(folder)


def test_what_stays_is_right(tmp_path: Path) -> None:
    reduced = thin(_run(tmp_path / "full"), tmp_path / "thin", [0, 20])
    small = Run(tmp_path / "thin")
    assert small.steps() == [0, 20]
    snapshot = small.at(20)
    snapshot.verify()
    assert snapshot.names == ["params/wte", "params/huge", "probe/tokens", "scalars/train_loss"]
    assert snapshot["params/wte"].dtype == np.float16
    np.testing.assert_array_equal(snapshot["params/wte"], 2.5)
    assert snapshot["params/huge"].dtype == np.float32, "1e30 does not fit half precision"
    assert snapshot["scalars/train_loss"][0] == 20 / 3
    assert snapshot.time == 20.0
    assert small.manifest.task == {"kind": "any"}
    assert reduced == {
        "snapshots_kept": 2,
        "snapshots_recorded": 3,
        "sections_dropped": ["grads"],
        "float32_as_float16": True,
    }
