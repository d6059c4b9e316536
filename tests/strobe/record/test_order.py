"""When a snapshot was taken, as the optimizer tells: before or after its update, and after how many of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.run.verify import verify_run
from etl.store.catalogue import Store
from strobe.record import Recorder, RecorderError
from tests.support.places import ROOT

Loop = Callable[[Recorder, "Toy"], None]


class Toy:
    """A model of one weight, 4 values, that each update lowers by 1."""

    def __init__(self) -> None:
        self.model = torch.nn.Linear(2, 2, bias=False)
        torch.nn.init.zeros_(self.model.weight)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1.0)

    def backward(self) -> None:
        self.optimizer.zero_grad()
        self.model.weight.sum().backward()

    def tensors(self) -> list[Any]:
        return [("w", "params", ("out", "in"), self.model.weight)]

    def recorder(self, folder: Path, **options: Any) -> Recorder:
        return Recorder(folder, self.tensors(), optimizer=self.optimizer, fsync=False, when_full="wait", **options)


def before(recorder: Recorder, toy: Toy, steps: range = range(4)) -> None:
    for step in steps:
        toy.backward()
        recorder.snapshot(step)
        toy.optimizer.step()


def after(recorder: Recorder, toy: Toy, first: int = 1) -> None:
    """The loop that records last, with its snapshots numbered from `first`."""
    for step in range(first, first + 4):
        toy.backward()
        toy.optimizer.step()
        recorder.snapshot(step)


def recorded(folder: Path, loop: Callable[..., None], **options: Any) -> Run:
    toy = Toy()
    with toy.recorder(folder / "run") as recorder:
        loop(recorder, toy, **options)
    assert all(finding.status == "ok" for finding in verify_run(folder / "run"))
    return Run(folder / "run")


def taken(run: Run) -> set[str | None]:
    return {tensor.get("taken") for tensor in run.manifest.raw["snapshot"]["tensors"]}


def updates(run: Run) -> list[int]:
    """How many updates the weight shows at each snapshot."""
    return [-int(run.at(step)["params/w"][0, 0]) for step in run.steps()]


def test_before_the_update(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = recorded(tmp_path, before)
    assert (taken(run), run.steps(), updates(run)) == ({"before_update"}, [0, 1, 2, 3], [0, 1, 2, 3])
    assert "updates_ahead" not in run.manifest.training
    assert caplog.messages == []


def test_after_the_update_under_its_true_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = recorded(tmp_path, after, first=1)
    assert (taken(run), run.steps(), updates(run)) == ({"after_update"}, [1, 2, 3, 4], [1, 2, 3, 4])
    assert caplog.messages == []


def test_after_the_update_and_one_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = recorded(tmp_path, after, first=0)
    assert (taken(run), run.steps(), updates(run)) == ({"after_update"}, [0, 1, 2, 3], [1, 2, 3, 4])
    assert run.manifest.training["updates_ahead"] == 1
    (message,) = caplog.messages
    assert message == (
        "the snapshot of step 0 holds the parameters after 1 update, and step s means s updates; "
        "take it before optimizer.step(), or count on by one"
    )


def test_before_anything_happened_nobody_knows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def loop(recorder: Recorder, toy: Toy) -> None:
        recorder.snapshot(0)
        after(recorder, toy)

    run = recorded(tmp_path, loop)
    assert (taken(run), updates(run)) == ({None}, [0, 1, 2, 3, 4])
    assert caplog.messages == []


def test_a_loop_that_changes_its_mind_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def loop(recorder: Recorder, toy: Toy) -> None:
        before(recorder, toy)
        after(recorder, toy, first=5)

    run = recorded(tmp_path, loop)
    assert taken(run) == {"before_update"}
    assert caplog.messages == ["step 5 is taken after the update, and the first snapshot was before the update"]


def test_two_updates_a_step_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def loop(recorder: Recorder, toy: Toy) -> None:
        for step in range(3):
            toy.backward()
            recorder.snapshot(step)
            toy.optimizer.step()
            toy.optimizer.step()

    recorded(tmp_path, loop)
    (message,) = caplog.messages
    assert message.startswith(
        "the snapshot of step 1 holds the parameters after 2 updates, and step s means s updates"
    )


@pytest.mark.parametrize("loop", [before, after])
def test_a_resumed_run_counts_on(tmp_path: Path, loop: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    run, toy = recorded(tmp_path, loop), Toy()
    first = len(run.steps()) + (loop is after)
    with torch.no_grad():
        toy.model.weight -= 4
    with toy.recorder(run.folder, resume=True, step=4) as recorder:
        loop(recorder, toy, range(4, 6)) if loop is before else loop(recorder, toy, first)
    assert updates(Run(run.folder)) == Run(run.folder).steps()
    assert taken(Run(run.folder)) == taken(run)
    assert caplog.messages == []


def test_a_resumed_run_that_records_otherwise_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run, toy = recorded(tmp_path, before), Toy()
    with toy.recorder(run.folder, resume=True, step=4) as recorder:
        after(recorder, toy, 5)
    assert taken(Run(run.folder)) == {"before_update"}
    assert caplog.messages == ["step 5 is taken after the update; the run's manifest says otherwise"]


def test_what_a_spec_leaves_open_stays_open(tmp_path: Path) -> None:
    from strobe.record import TensorSpec

    toy = Toy()
    specs = [TensorSpec("w", "params", ("out", "in"), toy.model.weight, taken=None)]
    with Recorder(tmp_path / "run", specs, optimizer=toy.optimizer, fsync=False) as recorder:
        toy.backward()
        toy.optimizer.step()
        recorder.snapshot(1)
    tensors = Run(tmp_path / "run").manifest.raw["snapshot"]["tensors"]
    assert "taken" not in tensors[0]
    assert tensors[1]["taken"] == "after_update"


@pytest.mark.parametrize("said", ["before_update", "after_update", None])
def test_what_a_spec_says_of_itself_stays(tmp_path: Path, said: str | None) -> None:
    from strobe.record import TensorSpec

    toy = Toy()
    tensors = [*toy.tensors(), TensorSpec("told", "buffers", ("out", "in"), np.zeros((2, 2)), taken=said)]
    with Recorder(tmp_path / "run", tensors, fsync=False) as recorder:
        toy.model.weight.data += 1
        recorder.snapshot(0)
    entries = {tensor["name"]: tensor for tensor in Run(tmp_path / "run").manifest.raw["snapshot"]["tensors"]}
    assert entries["buffers/told"].get("taken") == said
    assert entries["params/w"].get("taken") is None


def test_the_hooks_go_with_the_recorder(tmp_path: Path) -> None:
    toy = Toy()
    with toy.recorder(tmp_path / "run") as recorder:
        before(recorder, toy)
    assert not toy.model.weight._post_accumulate_grad_hooks
    assert not toy.optimizer._optimizer_step_post_hooks


def test_something_else_than_an_optimizer_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="dict has no register_step_post_hook"):
        Recorder(tmp_path / "run", Toy().tensors(), optimizer={})  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_read_before_its_first_snapshot_stays_the_same_run(tmp_path: Path) -> None:
    toy = Toy()
    with toy.recorder(tmp_path / "run") as recorder:
        recorder.log(0, train_loss=1.0)
        recorder.flush()
        ingest([tmp_path / "run"], tmp_path / "store")
        after(recorder, toy, first=0)
    ingest([tmp_path / "run"], tmp_path / "store")
    (row,) = Store(tmp_path / "store").runs().to_pylist()
    assert row["run"] == "run"
    assert '"updates_ahead": 1' in row["config"]
    assert Store(tmp_path / "store").sql("SELECT count(*) AS n FROM snapshots").to_pylist() == [{"n": 4}]


def test_the_loop_of_the_readme_records_step_0_before_any_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = [code for code in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
                  if "strobe.watch(" in code]  # fmt: skip
    monkeypatch.chdir(tmp_path)
    model = torch.nn.Module()
    model.wte = torch.nn.Embedding(3, 2)
    first = model.wte.weight.detach().numpy().copy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    code = example.replace("range(1001)", "range(201)")
    exec(code, {"model": model, "optimizer": optimizer, "loss_of": lambda m, _: m.wte.weight.square().sum()})
    run = Run(tmp_path / "runs" / "mine")
    assert run.steps() == [0, 100, 200, 201]
    assert taken(run) == {"before_update"}
    np.testing.assert_array_equal(run.at(0)["params/wte.weight"], first)
    assert "updates_ahead" not in run.manifest.training
