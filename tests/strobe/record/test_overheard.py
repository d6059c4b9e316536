"""When snapshots are taken where the recorder was given no optimizer: what was heard is claimed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etl.run.folder import Run
from strobe.record import Recorder

Loop = Callable[[Recorder, Any], None]


def recorded(folder: Path, loop: Loop, tensors: Callable[[Any], list[Any]] | None = None, **options: Any) -> Run:
    model = torch.nn.Linear(2, 2, bias=False)
    named = tensors(model) if tensors else [("w", "params", ("out", "in"), model.weight)]
    with Recorder(folder / "run", named, fsync=False, when_full="wait", **options) as recorder:
        loop(recorder, model)
    assert recorder.status.recorded
    return Run(folder / "run")


def said(run: Run) -> str | None:
    """What the manifest says of all tensors."""
    (taken,) = {tensor.get("taken") for tensor in run.manifest.raw["snapshot"]["tensors"]}
    return taken if taken is None else str(taken)


def backward(model: Any) -> None:
    model.weight.grad = None
    model.weight.square().sum().backward()


def before(recorder: Recorder, model: Any) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        backward(model)
        recorder.snapshot(step)
        optimizer.step()


def after(recorder: Recorder, model: Any) -> None:
    """The loop that numbers its snapshots from 0 and takes them last."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for step in range(3):
        backward(model)
        optimizer.step()
        recorder.snapshot(step)


def seldom(recorder: Recorder, model: Any) -> None:
    """Updates come before the first snapshot, which stands before its own."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(5):
        backward(model)
        if step >= 2:
            recorder.snapshot(step)
        optimizer.step()


@pytest.mark.parametrize(
    ("loop", "taken", "ahead"),
    [(before, "before_update", 0), (after, "after_update", 1), (seldom, "before_update", 0)],
)
def test_an_optimizer_that_nobody_gave_is_heard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, loop: Loop, taken: str, ahead: int
) -> None:
    run = recorded(tmp_path, loop)
    assert (said(run), run.manifest.training.get("updates_ahead", 0)) == (taken, ahead)
    assert [message[:55] for message in caplog.messages] == [
        "the snapshot of step 0 holds the parameters after 1 upd"
    ] * ahead


def by_hand(change: Callable[[Any], Any]) -> Loop:
    def loop(recorder: Recorder, model: Any) -> None:
        for step in range(3):
            backward(model)
            change(model.weight)
            recorder.snapshot(step)

    return loop


def in_place(weight: Any) -> None:
    with torch.no_grad():
        weight.sub_(weight.grad, alpha=0.1)


def through_data(weight: Any) -> None:
    weight.data -= 0.1 * weight.grad


@pytest.mark.parametrize("change", [in_place, through_data])
def test_updates_by_hand_are_not_heard_and_nothing_is_claimed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Callable[..., Any]
) -> None:
    run = recorded(tmp_path, by_hand(change))
    assert said(run) is None
    assert "updates_ahead" not in run.manifest.training
    assert caplog.messages == []


def test_of_two_optimizers_nothing_is_claimed(tmp_path: Path) -> None:
    def loop(recorder: Recorder, model: Any) -> None:
        for optimizer in [torch.optim.SGD(model.parameters(), lr=0.1) for _ in range(2)]:
            backward(model)
            optimizer.step()
        recorder.snapshot(0)

    assert said(recorded(tmp_path, loop)) is None


def test_an_optimizer_of_another_model_is_none_of_ours(tmp_path: Path) -> None:
    other = torch.nn.Linear(2, 2)

    def loop(recorder: Recorder, model: Any) -> None:
        backward(model)
        torch.optim.SGD(other.parameters(), lr=0.1).step()
        recorder.snapshot(0)

    assert said(recorded(tmp_path, loop)) == "before_update"


def test_a_second_optimizer_that_comes_later_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def loop(recorder: Recorder, model: Any) -> None:
        before(recorder, model)
        torch.optim.Adam(model.parameters(), lr=0.1).step()
        recorder.snapshot(4)

    assert said(recorded(tmp_path, loop)) == "before_update"
    assert caplog.messages == [
        "nobody knows when step 4 is taken, and the first snapshot was before the update; "
        "give the recorder the optimizer"
    ]


def test_a_recorder_that_joins_late_knows_no_number_of_updates(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def loop(recorder: Recorder, model: Any) -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(1000, 1003):
            backward(model)
            recorder.snapshot(step)
            optimizer.step()

    run = recorded(tmp_path, loop)
    assert (said(run), run.manifest.training.get("updates_ahead")) == ("before_update", None)
    assert caplog.messages == []


@pytest.mark.parametrize(
    "tensors",
    [
        lambda model: [("w", "params", ("out", "in"), model.weight.data)],
        lambda model: [("w", "params", ("out", "in"), np.zeros((2, 2)))],
        lambda model: [("w", "grads", ("out", "in"), lambda: model.weight.grad)],
    ],
    ids=["a view", "numpy", "no parameter"],
)
def test_what_is_no_parameter_of_torch_tells_nothing(tmp_path: Path, tensors: Callable[[Any], list[Any]]) -> None:
    assert said(recorded(tmp_path, after, tensors)) is None


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    from torch.optim import optimizer as hooks

    registered = len(hooks._global_optimizer_post_hooks)
    model = torch.nn.Linear(2, 2)
    with Recorder(tmp_path / "run", [("w", "params", ("out", "in"), model.weight)], fsync=False):
        assert len(hooks._global_optimizer_post_hooks) == registered + 1
    assert len(hooks._global_optimizer_post_hooks) == registered
    assert not model.weight._post_accumulate_grad_hooks
