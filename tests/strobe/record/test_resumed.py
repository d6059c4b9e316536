"""A run that is continued: where its next attempt begins, and what of the one before counts no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etl.ingest.load import ingest
from etl.run.attempts import read_attempts
from etl.run.folder import Run
from etl.store.catalogue import Store
from strobe.record import Recorder


def record(folder: Path, steps: Iterable[int], every: int = 10, **options: Any) -> Recorder:
    """A loop that logs each step and takes a snapshot at multiples of `every`, and at its last step."""
    steps = list(steps)
    values = np.zeros(3, np.float32)
    with Recorder(folder / "run", [("x", "params", ("channel",), values)], when_full="wait", **options) as recorder:
        for step in steps:
            values[:] = step
            recorder.log(step, train_loss=float(step))
            if step % every == 0 or step == steps[-1]:
                recorder.snapshot(step)
    return recorder


def stored(folder: Path) -> tuple[list[int], list[int]]:
    """The steps of the current snapshots, and of the current losses."""
    ingest([folder / "run"], folder / "store")
    snapshots, losses = (
        Store(folder / "store").sql(f"SELECT step FROM {rows} ORDER BY step")["step"].to_pylist()
        for rows in ("snapshots", "scalars WHERE name = 'train_loss'")
    )
    return snapshots, losses


@pytest.mark.parametrize(("first", "given"), [(5, None), (14, None), (15, None), (5, 5), (14, 14), (15, 14)])
def test_an_attempt_begins_at_the_first_step_that_it_records(tmp_path: Path, first: int, given: int | None) -> None:
    record(tmp_path, range(15))
    recorder = record(tmp_path, range(first, 25), resume=True, step=given)
    assert [attempt.step for attempt in read_attempts(tmp_path / "run")] == [0, first]
    assert recorder.attempt == 1
    snapshots, metrics = stored(tmp_path)
    assert metrics == list(range(25))
    assert snapshots == sorted({0, 10, 20, 24} | ({14} if first == 15 else set()))


def test_a_snapshot_of_the_step_where_it_goes_on_is_said_to_count_no_longer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record(tmp_path, range(15))
    record(tmp_path, range(14, 25), resume=True, step=14)
    assert caplog.messages == [
        "the snapshot of step 14 of an attempt before counts no longer: this one began there and did not "
        "record it again"
    ]
    assert (tmp_path / "run" / "step_000014.bin").exists(), "nothing is removed"
    caplog.clear()
    record(tmp_path, range(20, 31), resume=True, step=20)
    assert caplog.messages == []


def test_what_lies_behind_the_step_where_it_goes_on_counts_no_longer(tmp_path: Path) -> None:
    record(tmp_path, range(31))
    record(tmp_path, [22, 30, 31], resume=True, step=15)
    snapshots, metrics = stored(tmp_path)
    assert metrics == [*range(16), 22, 30, 31]
    assert snapshots == [0, 10, 30, 31]


@pytest.mark.parametrize("given", [None, 7, 14])
def test_one_that_records_nothing_takes_nothing_away(tmp_path: Path, given: int | None) -> None:
    record(tmp_path, range(15))
    record(tmp_path, range(0), resume=True, step=given)
    assert [attempt.end for attempt in read_attempts(tmp_path / "run")] == ["finished", "finished"]
    assert stored(tmp_path) == ([0, 10, 14], list(range(15)))


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_updates_are_counted_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, optimizer: Callable[..., Any], after: bool, given: bool
) -> None:
    model = torch.nn.Linear(2, 2, bias=False)
    steps = optimizer(model.parameters(), lr=0.1)

    def train(span: range, **options: Any) -> None:
        tensors = [("w", "params", ("out", "in"), model.weight)]
        given_one = {"optimizer": steps} if given else {}
        with Recorder(tmp_path / "run", tensors, when_full="wait", **given_one, **options) as recorder:
            for step in span:
                model.weight.grad = None
                model.weight.sum().backward()  # type: ignore[no-untyped-call]
                if not after:
                    recorder.snapshot(step)
                steps.step()
                if after:
                    recorder.snapshot(step)

    train(range(3))
    said = len(caplog.messages)
    train(range(3, 6), resume=True)
    run = Run(tmp_path / "run")
    assert {each.get("taken") for each in run.manifest.raw["snapshot"]["tensors"]} == {
        "after_update" if after else "before_update"
    }
    assert run.manifest.training.get("updates_ahead", 0) == int(after)
    assert [message for message in caplog.messages[said:] if "otherwise" in message] == []
    assert run.steps() == list(range(6))
