"""The C++ recorder against the Python one: the same bytes, the same folder, the same refusals."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from etl.ingest.load import ingest
from etl.run.attempts import read_attempts
from etl.run.folder import Run
from etl.run.journal import read_lines, read_metrics
from etl.run.manifest import parse
from etl.run.snapshot import Snapshot, fnv1a64, manifest_bytes
from etl.run.writer import SnapshotWriter
from strobe.cli import app
from strobe.record import SCALARS, LockedError, Recorder, TensorSpec
from strobe.record.order import Clock
from tests.support.cuda_programs import CUDA, NEEDS_A_COMPILER
from tests.support.cuda_recorder import DIMS, GPT2, Driver, Given, sound

pytestmark = NEEDS_A_COMPILER

VECTOR = Given("params/x", np.arange(3, dtype=np.float32))


def sample(dtype: str, *shape: int) -> np.ndarray[Any, Any]:
    """Random bytes: every bit pattern is data, NaN payloads included."""
    kind = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    count = int(np.prod(shape)) * kind.itemsize
    return np.random.default_rng(count).integers(0, 256, count, dtype=np.uint8).view(kind).reshape(shape)


def as_python_writes_it(folder: Path, scratch: Path, tensors: list[Given]) -> list[bytes]:
    """The same snapshots again, by etl.run.snapshot.SnapshotWriter, from the same arrays."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    scratch.mkdir()
    writer = SnapshotWriter(scratch, manifest)
    for step, attempt, path in Run(folder).files():
        theirs = Snapshot(path, manifest, fnv1a64((folder / "manifest.json").read_bytes()))
        arrays = {given.name: given.array for given in tensors}
        arrays |= {name: theirs[name].copy() for name in theirs.names if name.startswith("scalars/")}
        writer.write(step, arrays, attempt=attempt, time=theirs.time)
    return [path.read_bytes() for path in sorted(scratch.glob("*.bin"))]


def test_every_byte_is_the_python_writers(driver: Driver, tmp_path: Path) -> None:
    dtypes = ("float32", "float64", "float16", "bfloat16", "int8", "int32", "int64", "uint8")
    tensors = [Given(f"params/{dtype}", sample(dtype, 3, 1 + i), dtype) for i, dtype in enumerate(dtypes)]
    tensors += [Given("grads/ärger.☃", sample("uint8", 65), dims=["Zahl"]), Given("params/one", sample("int8", 1))]
    folder = tmp_path / "r"
    assert driver.open(folder, tensors, wait=1) is None
    for step in (0, 999_999, 1_000_000, 2**53):
        assert driver.exchange("snapshot", step) == 1
    driver.exchange("close")
    assert (folder / "step_000000.bin").exists()
    assert (folder / f"step_{2**53}.bin").exists()
    assert [path.read_bytes() for path in sorted(folder.glob("*.bin"))] == as_python_writes_it(
        folder, tmp_path / "python", tensors
    )


def test_the_manifest_is_the_one_that_the_python_recorder_writes(driver: Driver, tmp_path: Path) -> None:
    task = {"kind": "modadd", "modulus": 97, "display": ["0", "ü", '"\\\n\t\x7f'], "unknown": None}
    training = {"lr": 1e-3, "steps": 10**20, "wide": 1e16, "small": 1e-5, "zero": -0.0, "nested": {"x": [True, None]}}
    options: dict[str, Any] = {"model": GPT2, "task": task, "training": training, "name": "Mine ü"}
    assert driver.open(tmp_path / "My Run.1", [VECTOR], writer="strobe (test)", **options) is None
    driver.exchange("close")
    spec = TensorSpec("x", "params", ("a",), VECTOR.array)
    Recorder(tmp_path / "python" / "My Run.1", [spec], optimizer=Clock(0), **options).finish()
    ours, theirs = (
        json.loads((folder / "My Run.1" / "manifest.json").read_bytes())
        for folder in (tmp_path, tmp_path / "python")
    )  # fmt: skip
    theirs["run"] |= {"created_at": ours["run"]["created_at"], "writer": "strobe (test)"}
    data = (tmp_path / "My Run.1" / "manifest.json").read_bytes()
    assert data == manifest_bytes(theirs), "byte for byte, the order of keys and the digits of numbers included"
    assert parse(data, "here").run.id == "my-run.1"


def test_a_run_reads_back_verifies_and_ingests(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "grok"
    moment = sample("float32", 2, 30).astype(np.float32)
    moment[~np.isfinite(moment)] = 1.5
    tensors = [
        Given("params/wte", np.zeros((7, 4), np.float32), dims=["token", "channel"]),
        Given("optimizer/m_l2.wte", moment, dims=["layer"], l2=True),
    ]
    assert driver.open(folder, tensors, wait=1, model=GPT2) is None
    for step in range(3):
        driver.load(0, np.full((7, 4), step, np.float32))
        driver.exchange("scalar", "train_loss", 1.5 / (step + 1))
        driver.exchange("scalar", "extra", "nan")
        driver.exchange("snapshot", step)
        driver.exchange("log", step, 100 * step)
        driver.exchange("log", step + 10)
    driver.exchange("close", "failed", 'because "of" it\n')
    run = Run(folder)
    assert run.steps() == [0, 1, 2]
    snapshot = run.at(1)
    np.testing.assert_array_equal(snapshot["params/wte"], 1.0)
    assert snapshot["scalars/train_loss"][0] == 0.75
    assert snapshot["scalars/recorder_ms"][0] > 0, "its own cost"
    assert np.isnan(snapshot["scalars/mfu"][0]), "what is unknown"
    assert {f"scalars/{name}" for name in SCALARS} == {name for name in snapshot.names if name.startswith("scalars/")}
    lines = read_metrics(folder / "metrics.jsonl")
    assert lines.bad == []
    first, second, *_ = lines.rows
    assert first | {"time": 0} == {"step": 0, "time": 0, "tokens": 0, "train_loss": 1.5, "extra": "NaN"}
    assert second | {"time": 0} == {"step": 10, "time": 0}, "a metric stands in one line"
    (attempt,) = read_attempts(folder)
    assert (attempt.end, attempt.reason, attempt.end_step) == ("failed", 'because "of" it?', 12)
    result = CliRunner().invoke(app, ["verify", str(folder)])
    assert (result.exit_code, "3 snapshots verified" in result.output) == (0, True), result.output
    (report,) = ingest([folder], tmp_path / "store")
    assert report.snapshots == 3


def test_norms_are_those_of_numpy_in_float64(driver: Driver, tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    scale = 10.0 ** random.integers(-30, 18, (3, 4, 1))
    runs = (random.standard_normal((3, 4, 1003)) * scale).astype(np.float32)
    odd = np.array([[np.inf, 1], [np.nan, 1], [0, -0.0], [1e-45, 1e-45], [3, 4]], np.float32)
    tensors = [
        Given("optimizer/wide", runs, "float64", l2=True),
        Given("optimizer/narrow", runs, "float32", l2=True),
        Given("optimizer/odd", odd, "float32", l2=True),
        Given("params/behind", np.arange(5, dtype=np.float32)),
    ]
    assert driver.open(tmp_path / "r", tensors) is None
    driver.exchange("snapshot", 0)
    driver.exchange("close")
    snapshot = Run(tmp_path / "r").at(0)
    expected = np.linalg.norm(runs.astype(np.float64), axis=-1)
    np.testing.assert_allclose(snapshot["optimizer/wide"], expected, rtol=4e-16 * 32)
    np.testing.assert_array_max_ulp(snapshot["optimizer/narrow"], expected.astype(np.float32), 1)
    np.testing.assert_array_equal(snapshot["optimizer/odd"], np.array([np.inf, np.nan, 0, 2e-45, 5], np.float32))
    np.testing.assert_array_equal(snapshot["params/behind"], np.arange(5))


def test_a_scalar_stands_in_the_snapshot_of_its_step_alone(driver: Driver, tmp_path: Path) -> None:
    assert driver.open(tmp_path / "r", [VECTOR], wait=1, scalars=["val_loss", "train_loss", "recorder_ms"]) is None
    driver.exchange("scalar", "val_loss", 3.0)
    driver.exchange("log", 3)
    driver.exchange("scalar", "train_loss", 4.0)
    driver.exchange("scalar", "train_loss", 4.5)
    driver.exchange("log", 4)
    driver.exchange("snapshot", 4)
    driver.exchange("scalar", "recorder_ms", 99.0)
    driver.exchange("snapshot", 5)
    driver.exchange("close")
    run = Run(tmp_path / "r")
    at_4 = [run.at(4)[f"scalars/{name}"][0] for name in ("val_loss", "train_loss")]
    np.testing.assert_array_equal(
        at_4, [np.nan, 4.5], "a line made before the snapshot of its step leaves it the value"
    )
    assert np.isnan(run.at(5)["scalars/train_loss"][0])
    assert run.at(5)["scalars/recorder_ms"][0] == 99.0, "a value of the caller's own is kept"
    assert [set(row) for row in read_lines(tmp_path / "r" / "metrics.jsonl").rows] == [
        {"step", "time", "val_loss"}, {"step", "time", "train_loss"},
    ]  # fmt: skip


def test_names_that_lines_cannot_have_are_said_and_left_out(driver: Driver, tmp_path: Path) -> None:
    assert driver.open(tmp_path / "r", [VECTOR]) is None
    for name in ("step", "time", "", "a\nb", "fine"):
        driver.exchange("scalar", name, 1.0)
    driver.exchange("scalar", "big", "-inf")
    driver.exchange("log", -1)
    driver.exchange("log", 2)
    driver.exchange("close")
    (row,) = read_lines(tmp_path / "r" / "metrics.jsonl").rows
    assert row | {"time": 0} == {"step": 2, "time": 0, "fine": 1.0, "big": "-Infinity"}
    assert driver.end().count("could not be recorded") == 2, "a kind of mistake each"


def test_a_resume_is_the_next_attempt(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    for resume, step in ((0, 0), (1, 2), (1, 1)):
        assert driver.open(folder, [VECTOR], wait=1, resume=resume, step=step, training={"lr": 1 + resume}) is None
        driver.exchange("loop", step, step + 3, 0)
        driver.exchange("close")
        before = (folder / "manifest.json").read_bytes()
    assert (folder / "manifest.json").read_bytes() == before
    attempts = read_attempts(folder)
    assert [(a.attempt, a.step, dict(a.training)) for a in attempts] == [
        (0, 0, {}),
        (1, 2, {"lr": 2}),
        (2, 1, {"lr": 2}),
    ]
    run = Run(folder)
    assert {step: path.name for step, path in run.current().items()} == {
        0: "step_000000.bin", 1: "step_000001.2.bin", 2: "step_000002.2.bin", 3: "step_000003.2.bin",
    }  # fmt: skip
    assert len(run.files()) == 9
    assert {row.get("attempt", 0) for row in read_metrics(folder / "metrics.jsonl").rows} == {0, 1, 2}
    assert sound(folder)


def test_python_and_c_resume_each_others_runs(driver: Driver, tmp_path: Path) -> None:
    spec = TensorSpec("x", "params", ("a",), VECTOR.array)
    about: dict[str, Any] = {"model": GPT2, "training": {"lr": 0.5}}
    about_ours = about | {"when_full": "wait"}
    with Recorder(tmp_path / "r", [spec], optimizer=Clock(0, "before_update"), **about_ours) as recorder:
        recorder.snapshot(0)
    assert driver.open(tmp_path / "r", [VECTOR], resume=1, step=1, **about) is None
    driver.exchange("snapshot", 1)
    driver.exchange("close")
    clock = Clock(2, "before_update")
    with Recorder(tmp_path / "r", [spec], resume=True, step=2, optimizer=clock, **about_ours) as recorder:
        recorder.snapshot(2)
    assert [path.name for path in Run(tmp_path / "r").current().values()] == [
        "step_000000.bin", "step_000001.1.bin", "step_000002.2.bin",
    ]  # fmt: skip
    assert sound(tmp_path / "r")


def test_what_is_there_is_left_alone(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    assert driver.open(folder, [VECTOR], wait=1) is None
    driver.exchange("loop", 0, 3, 0)
    driver.exchange("close")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert driver.open(folder, [VECTOR]) == (
        f"{folder}: holds a run already (3 snapshots); resume it or record into another folder"
    )
    other = Given("params/x", np.zeros(4, np.float32))
    why = driver.open(folder, [other], resume=1)
    assert why is not None
    assert 'the run there has another snapshot; "params/x" [3] "float32" there, "params/x" [4] "float32" now' in why
    why = driver.open(folder, [VECTOR], resume=1, model={"family": "mine"})
    assert why == f'{folder}: the run there has another model; model.family is "other" there and "mine" now'
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert driver.open(tmp_path / "new", [VECTOR], resume=1) == (
        f"{tmp_path}/new: holds no run to resume; start it without resume"
    )
    (folder / "manifest.json").unlink()
    assert "holds a run without manifest.json" in str(driver.open(folder, [VECTOR]))
    (folder / "manifest.json").write_text('{"run": 1')
    assert "manifest.json is damaged" in str(driver.open(folder, [VECTOR], resume=1))
    assert driver.open(folder / "manifest.json", [VECTOR]) == (
        f"{folder}/manifest.json: nothing can be recorded here: Not a directory"
    )


@st.composite
def tensor_lists(draw: st.DrawFn) -> list[Given]:
    names = draw(
        st.lists(st.from_regex(r"(params|grads|x)/[a-z0-9._é]{1,8}", fullmatch=True), unique=True, max_size=6)
    )
    dtypes = st.sampled_from(["float32", "float64", "float16", "bfloat16", "int8", "int32", "int64", "uint8"])
    shapes = st.lists(st.integers(1, 5), min_size=1, max_size=8).filter(lambda shape: np.prod(shape) < 2000)
    made = [(name, draw(dtypes), draw(shapes)) for name in names if name.partition("/")[2] not in (".", "..")]
    return [Given(name, sample(dtype, *shape), dtype, DIMS[: len(shape)]) for name, dtype, shape in made]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tensors=tensor_lists(), scalars=st.lists(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), unique=True, max_size=3)
)
def test_what_c_wrote_python_reads_equal(
    long_lived: Driver, tmp_path: Path, tensors: list[Given], scalars: list[str]
) -> None:
    for made in ("r", "python"):
        shutil.rmtree(tmp_path / made, ignore_errors=True)
    folder = tmp_path / "r"
    assert long_lived.open(folder, tensors, scalars=scalars, wait=1, no_fsync=1) is None
    assert long_lived.exchange("snapshot", 7) == 1
    long_lived.exchange("close")
    snapshot = Run(folder).at(7)
    for tensor in tensors:
        assert snapshot[tensor.name].tobytes() == tensor.array.tobytes()
        assert snapshot[tensor.name].shape == tensor.array.shape
    assert sound(folder)
    assert [path.read_bytes() for path in folder.glob("*.bin")] == as_python_writes_it(
        folder, tmp_path / "python", tensors
    )


def test_one_recorder_a_folder_in_either_language(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    assert driver.open(folder, [VECTOR]) is None
    why = driver.open(folder, [VECTOR], resume=1)
    assert re.fullmatch(
        rf"{folder}: process \d+ on \S+, since [-0-9]+ [:0-9]+, last heartbeat [-0-9]+ [:0-9]+ \([0-9]+ s ago\) "
        "is recording here; record into .*",
        str(why),
    )
    spec = TensorSpec("x", "params", ("a",), VECTOR.array)
    with pytest.raises(LockedError, match=f"process {driver.process.pid} on .* is recording"):
        Recorder(folder, [spec], resume=True)
    driver.exchange("close")
    with Recorder(folder, [spec], resume=True, step=1):
        assert "is recording here" in str(driver.open(folder, [VECTOR], resume=1))
    assert driver.open(folder, [VECTOR], resume=1, step=2) is None


def test_the_lock_of_another_host_is_taken_over_when_asked(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    lock = folder / ".recorder.lock"
    lock.write_text(json.dumps({"pid": 7, "host": "far.example", "started": time.time() - 86_400}))
    os.utime(lock, (time.time() - 3 * 3600,) * 2)
    before, why = lock.read_bytes(), str(driver.open(folder, [VECTOR]))
    assert re.search(r"process 7 on far.example, since .*, last heartbeat .* \(3 h ago\) is recording here", why)
    assert "give --take-over, or set take_over" in why
    assert lock.read_bytes() == before
    assert driver.open(folder, [VECTOR], take_over=1) is None
    driver.exchange("close")
    assert not lock.exists()
    lock.write_text("garbage")
    assert driver.open(folder, [VECTOR]) is None
    assert f"strobe: {folder}: taken over from process 7 on far.example" in driver.end()


def test_a_run_that_recorded_nothing_is_started_over(driver: Driver, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    assert driver.open(folder, [VECTOR]) is None
    driver.exchange("close", "interrupted")
    created = Run(folder).manifest.run.created_at
    (folder / "metrics.jsonl").write_bytes(b'{"step":0,"ti')
    other = Given("params/x", np.zeros(5, np.float32))
    assert driver.open(folder, [other]) is None
    driver.exchange("snapshot", 0)
    driver.exchange("close")
    run = Run(folder)
    assert run.at(0)["params/x"].shape == (5,)
    assert run.manifest.run.created_at == created
    assert [(attempt.attempt, attempt.end) for attempt in run.attempts] == [(0, "finished")]
    assert not (folder / "metrics.jsonl").exists()
    assert "began and recorded nothing; it is started over" in driver.end()


@pytest.mark.parametrize("name", ["metrics.jsonl", "resume/state.pt", "step_000007.bin"])
def test_a_run_that_recorded_anything_is_not_started_over(driver: Driver, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "r"
    assert driver.open(folder, [VECTOR]) is None
    driver.exchange("close", "interrupted")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b'{"step":0,"time":0}\n')
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert "holds a run already" in str(driver.open(folder, [VECTOR]))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_header_is_plain_c() -> None:
    command = ["gcc", "-x", "c", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not here")
    subprocess.run([*command, str(CUDA / "recorder" / "recorder.h")], check=True)


def documented(language: str) -> str:
    """The first block of this language in the page on recording from C++."""
    page = (CUDA.parent / "docs" / "recorder-cpp.md").read_text()
    return page.partition(f"```{language}\n")[2].partition("```")[0]


def check_the_example(program: Path, folder: Path) -> None:
    assert subprocess.run([program], cwd=folder, check=True, capture_output=True).stderr == b""
    assert Run(folder / "runs" / "mine").steps() == list(range(0, 1001, 100))


def test_the_documented_example_runs(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.cpp").write_text(documented("cpp"))
    strict = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-pthread", "-I", CUDA / "recorder"]
    sanitized = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    objects = [programs / "checked" / "recorder" / f"{path.stem}.o" for path in (CUDA / "recorder").glob("*.cpp")]
    command = ["g++", *strict, *sanitized, tmp_path / "mine.cpp", *objects, "-o", tmp_path / "mine"]
    subprocess.run(command, check=True)
    check_the_example(tmp_path / "mine", tmp_path)


@pytest.mark.slow
def test_the_documented_command_compiles_the_example(tmp_path: Path) -> None:
    (tmp_path / "mine.cpp").write_text(documented("cpp"))
    (tmp_path / "cuda").symlink_to(CUDA)
    subprocess.run(["bash", "-e", "-c", documented("bash")], cwd=tmp_path, check=True)
    check_the_example(tmp_path / "mine", tmp_path)
