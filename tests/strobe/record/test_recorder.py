"""The recorder: what it takes, what stands in the folder afterwards, and what it refuses before it begins."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from etl.run.attempts import read_attempts
from etl.run.folder import Run
from etl.run.journal import read_lines, read_metrics
from etl.run.manifest import RUN_ID
from etl.run.verify import verify_run
from strobe.record import SCALARS, Recorder, RecorderError, TensorSpec, run_id
from strobe.record.limits import room
from strobe.record.thin import parse_size
from strobe.record.writer import Writer

VECTOR = ("x", "params", ("channel",), np.arange(3, dtype=np.float32))


def record(folder: Path, steps: int = 3, **options: Any) -> Recorder:
    with Recorder(folder, [VECTOR], fsync=False, when_full="wait", **options) as recorder:
        for step in range(options.get("step", 0), steps):
            recorder.log(step, train_loss=1 / (step + 1))
            recorder.snapshot(step)
    return recorder


def test_a_recorded_run_reads_back(tmp_path: Path) -> None:
    source = np.zeros((2, 3), np.float32)
    specs = [
        TensorSpec("w", "params", ("layer", "channel"), source),
        TensorSpec("params/b", "params", ("one",), np.float64(7)),
    ]
    about = {"task": {"kind": "none", "modulus": None}, "training": {"learning_rate": 0.5}, "name": "Mine"}
    with Recorder(tmp_path / "My Run", specs, when_full="wait", **about) as recorder:
        for step in range(0, 30, 10):
            source[:] = step
            assert recorder.snapshot(step, scalars={"train_loss": step / 4, "val_loss": torch.tensor(2.5)})
            source[:] = -1
    run = Run(tmp_path / "My Run")
    assert (run.manifest.run.id, run.manifest.run.name) == ("my-run", "Mine")
    assert run.manifest.task == {"kind": "none"}, "unknown is left out, never null"
    assert run.steps() == [0, 10, 20]
    snapshot = run.at(20)
    np.testing.assert_array_equal(snapshot["params/w"], 20.0, "the copy is taken at the call")
    assert snapshot["params/b"].tolist() == [7.0]
    assert snapshot["scalars/train_loss"][0] == 5.0
    assert snapshot["scalars/val_loss"][0] == 2.5
    assert np.isnan(snapshot["scalars/mfu"][0]), "NaN is unknown"
    assert snapshot["scalars/recorder_ms"][0] >= 0
    assert {f"scalars/{name}" for name in SCALARS} <= set(snapshot.names)
    assert all(finding.status == "ok" for finding in verify_run(run.folder))
    assert (recorder.status.recorded, recorder.status.missed, recorder.status.skipped) == (3, 0, 0)


def _patterns() -> np.ndarray[Any, np.dtype[np.uint32]]:
    special = [0x7F800000, 0xFF800000, 0x80000000, 0, 1, 0x80000001, 0x007FFFFF, 0x7FC00000, 0xFFC00000, 0x7F800001]
    random = np.random.default_rng(0).integers(0, 2**32, 246, dtype=np.uint32)
    return np.concatenate([np.array(special, np.uint32), random | np.uint32(0x7F800000)])


@pytest.mark.parametrize("wrap", [lambda a: a, torch.from_numpy, lambda a: lambda: torch.from_numpy(a)])
def test_every_bit_pattern_survives(tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    """NaN payloads, infinities, -0 and denormals are data."""
    bits = _patterns()
    with Recorder(tmp_path / "r", [("x", "params", ("channel",), wrap(bits.view(np.float32)))]) as recorder:
        recorder.snapshot(0)
    np.testing.assert_array_equal(Run(tmp_path / "r").at(0)["params/x"].view(np.uint32), bits)


def test_torch_dtypes_views_and_devices(tmp_path: Path) -> None:
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    given_tensors = {
        "transposed": base.T,
        "strided": base[:, ::2],
        "bfloat16": base.to(torch.bfloat16),
        "float16": base.half(),
        "int64": base.long(),
        "leaf": base.clone().requires_grad_(),
    }
    specs = [(name, "params", ("a", "b"), tensor) for name, tensor in given_tensors.items()]
    with Recorder(tmp_path / "r", specs) as recorder:
        recorder.snapshot(0)
    snapshot = Run(tmp_path / "r").at(0)
    for name, tensor in given_tensors.items():
        np.testing.assert_array_equal(snapshot[f"params/{name}"].astype(np.float64), tensor.detach().double().numpy())
    assert snapshot.spec("params/bfloat16")["dtype"] == "bfloat16"


def test_metrics_are_lines_with_the_words_for_what_json_lacks(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r", [VECTOR]) as recorder:
        recorder.log(0, a=float("nan"), b=float("-inf"), c=np.float32(0.5), d=torch.tensor(3.0), tokens=12)
        recorder.log(1, bad="not a number", good=1.0)
    text = (tmp_path / "r" / "metrics.jsonl").read_text()
    rows = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    assert rows[0] | {"time": 0} == {
        "step": 0,
        "time": 0,
        "a": "NaN",
        "b": "-Infinity",
        "c": 0.5,
        "d": 3.0,
        "tokens": 12,
    }
    assert rows[1] | {"time": 0} == {"step": 1, "time": 0, "good": 1.0}
    assert read_metrics(tmp_path / "r" / "metrics.jsonl").bad == []


def test_metric_lines_are_there_while_the_training_runs(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r", [VECTOR]) as recorder:
        recorder.log(0, a=1.0)
        for _ in range(100):
            if read_lines(tmp_path / "r" / "metrics.jsonl").rows:
                break
            threading.Event().wait(0.05)
        assert len(read_lines(tmp_path / "r" / "metrics.jsonl").rows) == 1


def test_an_existing_run_is_refused_and_resumed_as_the_next_attempt(tmp_path: Path) -> None:
    record(tmp_path / "r", training={"lr": 1.0})
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    with pytest.raises(RecorderError, match=r"holds a run already \(3 snapshots\)"):
        record(tmp_path / "r")
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()} == before
    record(tmp_path / "r", 5, resume=True, step=2, training={"lr": 0.5})
    attempts = read_attempts(tmp_path / "r")
    assert [(a.attempt, a.step, a.training, a.end) for a in attempts] == [
        (0, 0, {}, "finished"),
        (1, 2, {"lr": 0.5}, "finished"),
    ]
    run = Run(tmp_path / "r")
    assert run.current()[1].name == "step_000001.bin"
    assert run.current()[2].name == "step_000002.1.bin"
    assert run.manifest.training == {"lr": 1.0}, "a manifest never changes"
    assert (tmp_path / "r" / "step_000002.bin").read_bytes() == before["step_000002.bin"]


def test_what_cannot_be_resumed_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="holds no run to resume"):
        record(tmp_path / "r", resume=True)
    record(tmp_path / "r", model={"family": "mlp", "n_layer": 1})
    with pytest.raises(RecorderError, match="n_layer is 1 there and 2 now"):
        record(tmp_path / "r", resume=True, model={"family": "mlp", "n_layer": 2})
    other = ("x", "params", ("channel",), np.zeros(4, np.float32))
    with pytest.raises(RecorderError, match=r"params/x.*\[3\].*\[4\]"):
        Recorder(tmp_path / "r", [other], resume=True, model={"family": "mlp", "n_layer": 1})
    (tmp_path / "r" / "manifest.json").write_text("{")
    with pytest.raises(RecorderError, match="is damaged"):
        record(tmp_path / "r", resume=True)
    (tmp_path / "r" / "manifest.json").unlink()
    with pytest.raises(RecorderError, match=r"a run without manifest\.json"):
        record(tmp_path / "r")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (("x", "params", ("a", "b"), np.zeros(3)), "do not name the axes"),
        (("x", "params", ("a", "a"), np.zeros((2, 2))), "distinct"),
        (TensorSpec("x", "params", ("a",), None, (3,), "complex64"), "complex64 cannot be recorded"),
        (("x", "..", ("a",), np.zeros(3)), "path"),
        (("", "params", ("a",), np.zeros(3)), "section/tensor"),
        (("x\n", "params", ("a",), np.zeros(3)), "control character"),
    ],
)
def test_a_tensor_that_no_reader_would_take_is_refused_at_once(tmp_path: Path, tensor: Any, message: str) -> None:
    with pytest.raises(RecorderError, match=message):
        Recorder(tmp_path / "r", [tensor])
    assert not list((tmp_path / "r").iterdir()), "the lock is let go and nothing is written"


def test_the_same_tensor_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="stands twice"):
        Recorder(tmp_path / "r", [VECTOR, VECTOR])


def test_the_end_says_how_it_ended(tmp_path: Path) -> None:
    def failing(error: BaseException) -> None:
        with Recorder(tmp_path / type(error).__name__, [VECTOR]) as recorder:
            recorder.log(41)
            raise error

    for error, end in ((KeyboardInterrupt(), "interrupted"), (RuntimeError("out of luck"), "failed")):
        with pytest.raises(type(error)):
            failing(error)
        attempt = read_attempts(tmp_path / type(error).__name__)[0]
        assert (attempt.end, attempt.end_step) == (end, 41)
    assert attempt.reason == "RuntimeError: out of luck"


def test_after_the_end_nothing_is_taken(tmp_path: Path) -> None:
    recorder = record(tmp_path / "r")
    recorder.finish("failed")
    recorder.log(9, a=1.0)
    assert recorder.snapshot(9) is False
    assert Run(tmp_path / "r").attempts[0].end == "finished"
    assert Run(tmp_path / "r").steps() == [0, 1, 2]


def test_a_full_queue_skips_or_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Writer._write
    gate = threading.Event()

    def slow(self: Writer, job: Any) -> None:
        gate.wait(30)
        write(self, job)

    monkeypatch.setattr(Writer, "_write", slow)
    for policy in ("skip", "wait"):
        gate.clear()
        with Recorder(tmp_path / policy, [VECTOR], queue=2, when_full=policy) as recorder:  # type: ignore[arg-type]
            if policy == "wait":
                threading.Timer(0.3, gate.set).start()
            taken = [recorder.snapshot(step) for step in range(5)]
            gate.set()
        if policy == "wait":
            assert taken == [True] * 5
        else:
            assert taken == [True, True, False, False, False]
            assert recorder.status.skipped == 3
        assert len(Run(tmp_path / policy).steps()) == sum(taken)


def test_small_snapshots_wait_for_a_slow_disk_and_large_ones_are_bounded_by_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, gate = Writer._write, threading.Event()

    def slow(self: Writer, job: Any) -> None:
        gate.wait(30)
        write(self, job)

    monkeypatch.setattr(Writer, "_write", slow)
    weights = np.zeros((32, 64), np.float32)  # 8 kB
    with Recorder(tmp_path / "r", [("w", "params", ("out", "in"), weights)]) as recorder:
        taken = [recorder.snapshot(step) for step in range(0, 1_001, 200)]
        gate.set()
    assert taken == [True] * 6
    assert Run(tmp_path / "r").steps() == list(range(0, 1_001, 200))
    assert [room(size) for size in (8_192, 10_000_000, 200_000_000)] == [1_000, 25, 2]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"keep_last": 3}, [0, 7, 8, 9]),
        ({"keep_last": 100}, list(range(10))),
        ({"max_disk": 5}, [0, 6, 7, 8, 9]),
        ({"keep_last": 3, "max_disk": 2}, [0, 9]),
    ],
)
def test_thinning_keeps_both_ends(
    tmp_path: Path, options: dict[str, int], kept: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    size = record(tmp_path / "probe").manifest["snapshot"]["bytes"]
    if "max_disk" in options:
        options = options | {"max_disk": options["max_disk"] * size}
    with caplog.at_level(logging.INFO, logger="strobe.record"):
        record(tmp_path / "r", 10, **options)
    assert Run(tmp_path / "r").steps() == kept
    assert len([line for line in caplog.messages if line.startswith("removed step_")]) == 10 - len(kept)
    assert len(read_metrics(tmp_path / "r" / "metrics.jsonl").rows) == 10, "metrics are never thinned"


def test_bounds_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="cannot hold the first and the last snapshot"):
        record(tmp_path / "a", max_disk=100)
    with pytest.raises(RecorderError, match="give at least 1"):
        record(tmp_path / "b", keep_last=0)


def test_sizes() -> None:
    assert [parse_size(text) for text in ("10GB", "500 MB", "2GiB", "1.5kb", "12")] == [
        *(10**10, 5 * 10**8, 2**31, 1500, 12)
    ]
    for text in ("", "GB", "-1GB", "0", "10 parsecs", "1e400"):
        with pytest.raises(RecorderError, match="is no size"):
            parse_size(text)


@given(st.text(max_size=100))
def test_any_folder_name_becomes_a_run_id(name: str) -> None:
    assert RUN_ID.fullmatch(run_id(name))
    assert run_id(run_id(name)) == run_id(name)


def test_run_ids() -> None:
    assert [run_id(name) for name in ("grok-p97", "20251113", "My Run!", "é", "...")] == [
        *("grok-p97", "r-20251113", "my-run", "run", "run")
    ]


def test_recording_numpy_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np, strobe\n"
        "assert 'torch' not in sys.modules\n"
        f"with strobe.Recorder({str(tmp_path / 'r')!r}, [('x', 'params', ('a',), np.zeros(3))]) as r: r.snapshot(0)\n"
        "assert 'torch' not in sys.modules and 'streamlit' not in sys.modules and 'duckdb' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
    assert Run(tmp_path / "r").steps() == [0]
