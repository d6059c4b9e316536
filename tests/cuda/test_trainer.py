"""The C++ trainer on the host computes and records what PyTorch does."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from etl.run.file_names import list_files
from etl.run.manifest import parse
from etl.run.snapshot import Snapshot
from tests.support.cuda_programs import CUDA, NEEDS_A_COMPILER
from tests.support.cuda_trainer import Program, agreement, read
from tests.support.effort import UNLESS_IN_CI, whole_in_ci

pytestmark = NEEDS_A_COMPILER


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """These models are so small that threads of PyTorch only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("number", [1, *(pytest.param(number, marks=UNLESS_IN_CI) for number in (0, 2))])
def test_losses_gradients_and_parameters_are_those_of_pytorch(binary: Path, tmp_path: Path, number: int) -> None:
    case = agreement.small_cases(tmp_path)[number]
    start = agreement.write_start(tmp_path / "start", agreement.GPT(case.config, case.training.model_seed))
    agreement.train(binary, case, start, tmp_path / "run")
    verdict = agreement.judge(tmp_path / "run", case)
    assert len(verdict.rows) == 1 + 2 * len(case.config.shapes())
    assert not verdict.failures

    agreement.perturbed(start)
    agreement.train(binary, case, start, tmp_path / "faulty")
    assert len(agreement.judge(tmp_path / "faulty", case).failures) > len(case.config.shapes()) / 2


def test_a_checkpoint_of_llmc_starts_the_same_run(binary: Path, program: Program, tmp_path: Path) -> None:
    case = agreement.small_cases(tmp_path)[1]
    model = agreement.GPT(case.config, case.training.model_seed)
    agreement.write_llmc_checkpoint(tmp_path / "start.bin", model, padded_vocab=64)
    agreement.train(binary, case, tmp_path / "start.bin", tmp_path / "run", more=["-o", tmp_path / "out", "-k", "10"])
    assert not agreement.judge(tmp_path / "run", case).failures
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["main.log", "model_00000010.bin", "model_00000020.bin"]
    last = list_files(tmp_path / "run")[-1][2]
    written = np.frombuffer((tmp_path / "out" / "model_00000020.bin").read_bytes()[1024:], np.float32)
    manifest = parse((tmp_path / "run" / "manifest.json").read_bytes(), "manifest")
    wte = Snapshot(last, manifest.raw, manifest.hash)["params/wte"]
    assert np.array_equal(written[: wte.size].reshape(wte.shape), wte)
    assert not written[wte.size : 64 * 24].any()


def test_what_is_recorded_is_what_pytorch_records(binary: Path, program: Program, tmp_path: Path) -> None:
    """Every tensor of a snapshot against the Python recorder of the same model, batch and probe."""
    from strobe.record import Recorder
    from strobe.record.adapters.gpt2 import Gpt2Source

    case = agreement.small_cases(tmp_path)[0]
    model = agreement.GPT(case.config, case.training.model_seed)
    start = agreement.write_start(tmp_path / "start", model)
    agreement.train(binary, case, start, tmp_path / "run", more=["-n", "1"])
    optimizer = agreement.make_optimizer(model, case.training)
    ours = read(tmp_path / "run", 0)
    probe = torch.from_numpy(ours["probe/tokens"].copy())
    tokens, targets = (torch.from_numpy(np.asarray(part)).long() for part in case.batches(0))
    source = Gpt2Source(model, optimizer, probe, lambda: tokens)
    with Recorder(tmp_path / "python", source, optimizer=optimizer) as recorder:
        logits = model(tokens).flatten(0, 1)
        torch.nn.functional.cross_entropy(logits, targets.flatten(), ignore_index=-1).backward()
        recorder.snapshot(0)
    theirs = read(tmp_path / "python", 0)
    assert ours.names == theirs.names
    for name in ours.names:
        assert ours.spec(name) == theirs.spec(name)
        if not name.startswith("scalars/"):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-5, atol=1e-7, err_msg=name)
    assert not np.triu(ours["attention/att"], 1).any()


def test_recorded_norms_are_those_of_the_moments_before_the_step(binary: Path, tmp_path: Path) -> None:
    """Adam's m and v of the gradients of steps 0 .. s - 1, layer by layer."""
    case = agreement.small_cases(tmp_path, steps=4)[1]
    start = agreement.write_start(tmp_path / "start", agreement.GPT(case.config))
    agreement.train(binary, case, start, tmp_path / "run")
    beta1, beta2 = case.training.beta1, case.training.beta2
    moments: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for step in range(5):
        snapshot = read(tmp_path / "run", step)
        for name, (dims, shape) in case.config.shapes().items():
            m, v = moments.get(name, (np.zeros(shape), np.zeros(shape)))
            layers = shape[0] if dims[0] == "layer" else 1
            for moment, values in (("m", m), ("v", v)):
                norms = np.linalg.norm(values.reshape(layers, -1), axis=1)
                np.testing.assert_allclose(snapshot[f"optimizer/{moment}_l2.{name}"], norms, rtol=1e-5)
            gradient = snapshot[f"grads/{name}"].astype(np.float64)
            moments[name] = (beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2)


def test_the_split_and_the_minibatches_have_the_golden_values(program: Program, tmp_path: Path) -> None:
    done = program("--preset", "grok", "-n", 1, "-b", 6, "--width", 8, "-v", 99, "-d", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    pairs = read(tmp_path / "run", 0)["probe/tokens"]
    rows = pairs[:, 0] * 97 + pairs[:, 1]
    assert rows.tolist()[:8] == [8830, 932, 5429, 2803, 4808, 2155, 2518, 5584]
    assert rows.tolist()[8:12] == [2357, 9388, 7547, 4686]


def test_the_epsilon_of_a_start_is_the_one_that_is_used(binary: Path, tmp_path: Path) -> None:
    case = agreement.small_cases(tmp_path, steps=2)[1]
    case.config = dataclasses.replace(case.config, layernorm_eps=0.25)
    start = agreement.write_start(tmp_path / "start", agreement.GPT(case.config, case.training.model_seed))
    agreement.train(binary, case, start, tmp_path / "run")
    assert not agreement.judge(tmp_path / "run", case).failures
    assert json.loads((tmp_path / "run" / "manifest.json").read_bytes())["model"]["layernorm_eps"] == 0.25


@whole_in_ci
def test_checking_a_gpu_needs_numpy_and_torch_alone(tmp_path: Path) -> None:
    """A machine with a GPU has these two; whatever else is imported must not be missed there."""
    program = """
        import importlib.abc, sys
        class Refuse(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                root = name.partition(".")[0]
                if root in {"duckdb", "pyarrow", "pydantic", "numba", "ml_dtypes", "typer", "rich", "streamlit"}:
                    raise ImportError(f"{name} is not here")
        sys.meta_path.insert(0, Refuse())
        sys.path.insert(0, sys.argv[1])
        import agreement, check_gpu, pathlib
        case = agreement.small_cases(pathlib.Path(sys.argv[2]))[0]
        start = agreement.write_start(pathlib.Path(sys.argv[2]) / "start", agreement.GPT(case.config))
        print(len(list(check_gpu.snapshots(start.parent))))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(CUDA / "check"), str(tmp_path)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == "1", done.stderr
