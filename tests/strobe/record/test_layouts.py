"""Tensors that appear, vanish, thaw or change shape in the middle of a run: each snapshot holds what was there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.verify import verify_run
from etl.store.catalogue import Store
from strobe.derive.filling.deriver import Deriver
from strobe.record import Recorder, RecorderError, TensorSpec, layouts


class Model:
    """Whatever it has now is recorded."""

    def __init__(self, **tensors: Any) -> None:
        self.tensors = tensors

    def specs(self) -> list[TensorSpec]:
        return [
            TensorSpec(name, "params", ("o", "i"), lambda name=name: self.tensors.get(name))
            for name in ("a", "b", "c")
        ]  # fmt: skip


def square(side: int, value: float = 1.0) -> np.ndarray:
    return np.full((side, side), value, np.float32)


def snapshots(model: Model, recorder: Recorder, states: list[dict[str, Any]], first: int = 0) -> None:
    for step, tensors in enumerate(states, first):
        model.tensors = tensors
        assert recorder.snapshot(step)
        assert recorder.flush()


STATES = [
    {"a": square(2), "b": square(3)}, {"a": square(2)}, {"a": square(2), "b": square(3)},
    {"a": square(2), "b": square(4), "c": square(1)}, {"a": square(2).astype(np.float16), "b": square(4)},
]  # fmt: skip


def test_each_snapshot_has_what_was_there(tmp_path: Path) -> None:
    model = Model(**STATES[0])
    with Recorder(tmp_path / "r", model.specs(), when_full="wait") as recorder:
        snapshots(model, recorder, STATES)
    run = Run(tmp_path / "r")
    for step, path in run.current().items():
        snapshot = run.as_recorded(path)
        found = {name: snapshot[f"params/{name}"] for name in "abc" if f"params/{name}" in snapshot}
        assert found.keys() == STATES[step].keys()
        for name, array in found.items():
            np.testing.assert_array_equal(array, STATES[step][name])
            assert array.dtype == STATES[step][name].dtype
    assert all(finding.status == "ok" for finding in verify_run(tmp_path / "r"))
    # The first layout came back, and has its manifest again.
    assert len(list((tmp_path / "r").glob("manifest*.json"))) == 4
    assert recorder.status.why == {"params/b: there was none": 1, "params/c: there was none": 4}


def test_such_a_run_is_resumed_in_whatever_part_it_is(tmp_path: Path) -> None:
    model = Model(**STATES[0])
    with Recorder(tmp_path / "r", model.specs(), when_full="wait") as recorder:
        snapshots(model, recorder, STATES[:4])
    model.tensors = STATES[3]
    with Recorder(tmp_path / "r", model.specs(), when_full="wait", resume=True, step=4) as recorder:
        snapshots(model, recorder, [STATES[3], STATES[0]], 4)
    run = Run(tmp_path / "r")
    assert run.steps() == list(range(6))
    assert run.at(4)["params/b"].shape == (4, 4)
    assert len(list((tmp_path / "r").glob("manifest*.json"))) == 3
    model.tensors = {"a": square(7)}
    with pytest.raises(RecorderError, match="has another snapshot"):
        Recorder(tmp_path / "r", model.specs(), resume=True, step=6)


def test_a_tensor_that_comes_and_goes_without_end_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layouts, "MOST_PARTS", 3)
    states = [
        {"a": square(2), "b": square(2 + step % 4)} | ({"c": square(1)} if step % 3 else {}) for step in range(12)
    ]
    model = Model(**states[0])
    with Recorder(tmp_path / "r", model.specs(), when_full="wait") as recorder:
        snapshots(model, recorder, states)
    run = Run(tmp_path / "r")
    assert run.steps() == list(range(12))
    assert all("params/a" in run.at(step) for step in range(12))
    assert len(list((tmp_path / "r").glob("manifest*.json"))) <= 6
    assert all(finding.status == "ok" for finding in verify_run(tmp_path / "r"))


def test_ingest_and_analyze_take_each_part_as_it_is(tmp_path: Path) -> None:
    model = Model(**STATES[0])
    with Recorder(tmp_path / "r", model.specs(), when_full="wait") as recorder:
        snapshots(model, recorder, STATES)
    ingest([tmp_path / "r"], tmp_path / "store")
    store = Store(tmp_path / "store")
    rows = store.sql("SELECT tensor, step, n FROM tensors ORDER BY tensor, step").to_pylist()
    assert [(row["tensor"], row["step"], row["n"]) for row in rows] == [
        *(("a", step, 4) for step in range(5)), ("b", 0, 9), ("b", 2, 9), ("b", 3, 16), ("b", 4, 16), ("c", 3, 1),
    ]  # fmt: skip
    report = Deriver(store, store.run("r")).fill(["spectra"])
    assert (report.computed["spectra"], report.bad) == (5, [])
    rows = store.sql("SELECT tensor, step, len(singular_values) AS n FROM spectra ORDER BY tensor, step").to_pylist()
    assert [(row["tensor"], row["step"], row["n"]) for row in rows] == [
        *(("a", step, 2) for step in range(5)), ("b", 0, 3), ("b", 2, 3), ("b", 3, 4), ("b", 4, 4), ("c", 3, 1),
    ]  # fmt: skip
