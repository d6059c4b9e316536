"""Sources of tensors: how several make one record, and what one of them can cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.run.folder import Run
from etl.run.verify import verify_run
from strobe.record import Recorder, RecorderError, TensorSource, TensorSpec


class Counting(TensorSource):
    """One tensor that holds how often its source was prepared; `calls` is shared and keeps the order."""

    def __init__(self, name: str, calls: list[str], model: Mapping[str, Any] | None = None) -> None:
        self.name, self.calls, self.model = name, calls, model
        self.broken: str | None = None

    def specs(self) -> Sequence[TensorSpec]:
        return [TensorSpec(self.name, "params", ("one",), self.read, (1,), "int64")]

    def model_entry(self) -> Mapping[str, Any] | None:
        return self.model

    def prepare(self) -> None:
        self.calls.append(self.name)
        if self.broken == "prepare":
            raise RuntimeError("no forward pass today")

    def read(self) -> np.ndarray[Any, Any]:
        if self.broken == "read":
            raise RuntimeError("no such tensor today")
        return np.array([self.calls.count(self.name)])


class Plain:
    """A source that derives from nothing."""

    def specs(self) -> list[TensorSpec]:
        return [TensorSpec("plain", "buffers", ("channel",), np.arange(4))]

    def model_entry(self) -> None:
        return None

    def prepare(self) -> None:
        pass


def tensor_names(run: Run) -> list[str]:
    return [tensor.name for tensor in run.manifest.snapshot.tensors if tensor.section != "scalars"]


def test_two_sources_and_a_plain_tensor_make_one_record(tmp_path: Path) -> None:
    calls: list[str] = []
    first, second = Counting("a", calls), Counting("b", calls, {"family": "toy", "n_layer": 3})
    tuples = ("x", "params", ("channel",), np.arange(3))
    with Recorder(tmp_path / "r", [first, tuples, second, Plain()], when_full="wait") as recorder:
        assert calls == [], "nothing is prepared before the first snapshot"
        assert all(recorder.snapshot(step) for step in range(3))
    run = Run(tmp_path / "r")
    assert tensor_names(run) == ["params/a", "params/x", "params/b", "buffers/plain"], "in the order given"
    assert run.manifest.raw["model"] == {"family": "toy", "n_layer": 3}
    assert calls == ["a", "b"] * 3, "once a snapshot, each"
    for step in range(3):
        snapshot = run.at(step)
        assert (snapshot["params/a"][0], snapshot["params/b"][0]) == (step + 1, step + 1), "read after prepare"
        assert snapshot["buffers/plain"].tolist() == [0, 1, 2, 3]
    assert all(finding.status == "ok" for finding in verify_run(run.folder))


@pytest.mark.parametrize("source", [Counting("a", []), Plain()])
def test_a_source_by_itself_needs_no_list(tmp_path: Path, source: TensorSource) -> None:
    with Recorder(tmp_path / "r", source) as recorder:
        assert recorder.snapshot(0)
    run = Run(tmp_path / "r")
    assert tensor_names(run) == [spec.full_name for spec in source.specs()]
    assert run.manifest.raw["model"] == {"family": "other"}


def test_a_tensor_that_was_replaced_is_read_where_it_is_now(tmp_path: Path) -> None:
    class ByName(TensorSource):
        state = {"w": np.zeros(2, np.float32)}  # noqa: RUF012

        def specs(self) -> list[TensorSpec]:
            return [TensorSpec("w", "params", ("channel",), lambda: self.state["w"])]

    source = ByName()
    with Recorder(tmp_path / "r", source, when_full="wait") as recorder:
        recorder.snapshot(0)
        source.state["w"] = np.ones(2, np.float32)
        recorder.snapshot(1)
    run = Run(tmp_path / "r")
    assert [run.at(step)["params/w"].tolist() for step in (0, 1)] == [[0, 0], [1, 1]]


def test_a_source_that_cannot_prepare_costs_its_snapshot_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    how, message = "prepare", "no forward pass today"
    calls: list[str] = []
    sound, failing = Counting("a", calls), Counting("b", calls)
    with Recorder(tmp_path / "r", [sound, failing], when_full="wait") as recorder:
        for step in range(6):
            failing.broken = how if step in (1, 2, 3) else None
            assert recorder.snapshot(step) is (step not in (1, 2, 3))
            recorder.log(step, train_loss=1.0)
    run = Run(tmp_path / "r")
    assert run.steps() == [0, 4, 5]
    assert run.attempts[0].end == "finished"
    assert (recorder.status.recorded, recorder.status.missed, recorder.status.skipped) == (3, 3, 0)
    assert message in str(recorder.status.last_error)
    assert sum(message in line for line in caplog.messages) == 1, "said once"
    assert (run.folder / "metrics.jsonl").read_text().count("\n") == 6


def test_a_tensor_that_cannot_be_read_costs_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []
    sound, failing = Counting("a", calls), Counting("b", calls)
    with Recorder(tmp_path / "r", [sound, failing], when_full="wait") as recorder:
        for step in range(6):
            failing.broken = "read" if step in (1, 2, 3) else None
            assert recorder.snapshot(step)
    run = Run(tmp_path / "r")
    assert run.steps() == list(range(6))
    assert ["params/b" in run.at(step) for step in range(6)] == [True, False, False, False, True, True]
    assert all("params/a" in run.at(step) for step in range(6))
    assert (recorder.status.recorded, recorder.status.missed, recorder.status.absent) == (6, 0, 3)
    assert recorder.status.why == {"params/b: RuntimeError: no such tensor today": 3}
    assert sum("no such tensor today" in line for line in caplog.messages) == 1, "said once"


def test_two_sources_of_one_name_are_refused_and_leave_the_folder_free(tmp_path: Path) -> None:
    taken = [Counting("a", []), ("a", "params", ("one",), np.zeros(1, np.int64))]
    with pytest.raises(RecorderError, match="stands twice"):
        Recorder(tmp_path / "r", taken)
    assert list((tmp_path / "r").iterdir()) == []


def test_of_two_models_neither_is_guessed(tmp_path: Path) -> None:
    one, other = {"family": "toy", "n_layer": 1}, {"family": "toy", "n_layer": 2}
    sources = [Counting("a", [], one), Counting("b", [], other)]
    with pytest.raises(RecorderError, match="different models; give the Recorder a model"):
        Recorder(tmp_path / "r", sources)
    assert not (tmp_path / "r").exists()
    Recorder(tmp_path / "r", sources, model=other).finish()
    assert Run(tmp_path / "r").manifest.raw["model"] == other
    Recorder(tmp_path / "same", [Counting("a", [], one), Counting("b", [], dict(one))]).finish()
    assert Run(tmp_path / "same").manifest.raw["model"] == one


def test_role_and_original_name_stand_in_the_manifest(tmp_path: Path) -> None:
    weight, original = np.zeros((4, 2), np.float32), "transformer.h.0.mlp.c_fc.weight"
    specs = [
        TensorSpec("h.0.fc", "params", ("out", "in"), weight, role="mlp_in", original=original, layer=0, group="fc"),
        TensorSpec("other", "params", ("out", "in"), weight),
    ]
    with Recorder(tmp_path / "r", specs) as recorder:
        recorder.snapshot(0)
    named, other = (Run(tmp_path / "r").at(0).spec(f"params/{name}") for name in ("h.0.fc", "other"))
    assert (named["role"], named["original"], named["layer"], named["group"]) == ("mlp_in", original, 0, "fc")
    assert {"role", "original"} & set(other) == set(), "absent means unknown"
