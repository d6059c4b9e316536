"""After it began a recorder raises nothing, whatever it is given: what is lost is counted by kind, and on disk."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.run.attempts import read_attempts
from etl.run.folder import Run
from etl.run.journal import METRICS, read_metrics
from strobe.record import Recorder, TensorSpec

VECTOR = ("x", "params", ("channel",), np.arange(3, dtype=np.float32))


class Hostile:
    """Nothing that anybody asks of it works."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __index__ = __float__ = __str__ = __hash__ = __eq__ = __len__ = __iter__ = __repr__  # type: ignore[assignment]


ODD: list[Any] = [
    "7", None, float("nan"), float("inf"), -1, 2**53 + 1, 10**400, 1.5, True, [], {}, b"7", Hostile(), torch.ones(3),
    np.array([1, 2]), object(), "\ud800", argparse.Namespace(a=1),
]  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_no_argument_raises(tmp_path: Path, value: Any) -> None:
    with Recorder(tmp_path / "r", [VECTOR], when_full="wait", fsync=False) as recorder:
        calls: list[Callable[[], Any]] = [
            lambda: recorder.log(value), lambda: recorder.log(value, loss=1.0), lambda: recorder.log(1, value),
            lambda: recorder.log(1, loss=value), lambda: recorder.log(1, [(value, 1.0)]),
            lambda: recorder.log(1, {"loss": value}),
            lambda: recorder.snapshot(value), lambda: recorder.snapshot(2, value),
            lambda: recorder.snapshot(value, value),
            lambda: recorder.snapshot(3, {"train_loss": value}),
        ]  # fmt: skip
        for call in calls:
            call()
        recorder.log(9, loss=0.5)
        assert recorder.snapshot(9)
    assert 9 in Run(tmp_path / "r").steps()
    rows = read_metrics(tmp_path / "r" / METRICS)
    assert rows.bad == []
    assert rows.rows[-1]["loss"] == 0.5


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.none(), st.booleans()),
            st.dictionaries(
                st.one_of(st.sampled_from(["step", "time", "attempt", "self", "more", "epoch"]), st.text()),
                st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.none(), st.lists(st.integers())),
                max_size=4,
            ),
        ),
        max_size=6,
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_logged_every_line_can_be_read(tmp_path_factory: Any, calls: list[tuple[Any, Any]]) -> None:
    folder = tmp_path_factory.mktemp("logged") / "r"
    with Recorder(folder, [VECTOR], fsync=False) as recorder:
        for step, metrics in calls:
            recorder.log(step, metrics)
            # Without a step before it, one called `step` is just that.
            recorder.log(-1 if step is None else step, **metrics)
    rows = read_metrics(folder / METRICS)
    assert rows.bad == []
    sound = [step for step, _ in calls if type(step) is int and 0 <= step <= 2**53]
    assert len(rows.rows) + recorder.status.lost_lines == 2 * len(calls)
    assert len(rows.rows) == 2 * len(sound)


def test_a_metric_cannot_replace_what_a_line_says_of_itself(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r", [VECTOR]) as recorder:
        for step in range(3):
            recorder.log(step, train_loss=1.0, **{"time": 0.25 * step, "attempt": -1, "self": 2.0})
            recorder.log(step, {"step": 7, "val_loss": 3.0})
    rows = read_metrics(tmp_path / "r" / METRICS)
    assert rows.bad == []
    assert [row["step"] for row in rows.rows] == [0, 0, 1, 1, 2, 2]
    assert all(row["time"] > 1e9 and "attempt" not in row for row in rows.rows)
    assert rows.rows[0]["self"] == 2.0
    assert recorder.status.lost_values == 9


def test_failures_are_counted_by_kind_and_told_on_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def gradient() -> np.ndarray:
        raise RuntimeError("no gradient")

    spec = TensorSpec("expert.3", "grads", ("a",), gradient, (3,), "float32")
    with caplog.at_level(logging.WARNING), Recorder(tmp_path / "r", [spec], when_full="wait") as recorder:
        for step in range(4):
            recorder.log(step, train_loss=1.0, lrs=[1, 2], note="warm", t=torch.ones(3))
            recorder.snapshot(step)
            assert recorder.flush()
    assert recorder.status.lost_values == 12
    lost = read_attempts(tmp_path / "r")[0].lost
    assert (lost["recorded"], lost["missed"], lost["values"]) == (0, 4, 12)
    assert lost["why"] == dict(recorder.status.why)
    assert recorder.status.why["metric 'note': it is a str and no number"] == 4
    assert recorder.status.why["RuntimeError: no gradient"] == 4
    assert "works again" not in caplog.text
    assert len([line for line in caplog.messages if "could not be recorded" in line]) <= 5


def test_a_scalar_without_a_place_in_snapshots_becomes_a_metric(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r", [VECTOR], when_full="wait") as recorder:
        assert recorder.snapshot(5, {"train_loss": 0.5, "my_metric": 2.0, "val_loss": "low"})
    snapshot = Run(tmp_path / "r").at(5)
    assert snapshot["scalars/train_loss"][0] == 0.5
    assert np.isnan(snapshot["scalars/val_loss"][0])
    assert read_metrics(tmp_path / "r" / METRICS).rows[0]["my_metric"] == 2.0
    assert dict(recorder.status.why) == {"metric 'val_loss': it is a str and no number": 1}


def test_what_is_told_is_of_the_last_attempt(tmp_path: Path) -> None:
    for resume in (False, True):
        with Recorder(tmp_path / "r", [VECTOR], resume=resume, step=9 * resume) as recorder:
            if not resume:
                recorder.log("7", a=1.0)
    first, second = read_attempts(tmp_path / "r")
    assert first.lost["why"] == {"a step is not a whole number": 1}
    assert (first.end, second.end, dict(second.lost)) == ("finished", "finished", {})
