"""The C++ trainer on the host, under sanitizers: agreement with PyTorch, golden data, command line, record."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from app_store import EVERY_PAGE, ROOT
from streamlit.testing.v1 import AppTest

import strobe
from etl.ingest import ingest
from etl.manifest import parse
from etl.snapshot import Snapshot, list_files

CUDA = Path(__file__).parent.parent / "cuda"
sys.path.insert(0, str(CUDA))

import agreement  # noqa: E402  (it lies beside the program that it judges)

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None or shutil.which("make") is None, reason="needs g++ and make"
)

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def binary() -> Path:
    command = ["make", "-s", "-j2", "-C", str(CUDA), "build/train_gpt2_fp32_checked"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return CUDA / "build" / "train_gpt2_fp32_checked"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """These models are so small that threads of PyTorch only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def program(binary: Path) -> Program:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(binary), *map(str, arguments)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    return run


@pytest.mark.parametrize("number", range(3))
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
    from strobe.record.gpt2 import Gpt2Recorder

    case = agreement.small_cases(tmp_path)[0]
    model = agreement.GPT(case.config, case.training.model_seed)
    start = agreement.write_start(tmp_path / "start", model)
    agreement.train(binary, case, start, tmp_path / "run", more=["-n", "1"])
    optimizer = agreement.make_optimizer(model, case.training)
    ours = _snapshot(tmp_path / "run", 0)
    probe = torch.from_numpy(ours["probe/tokens"].copy())
    with Gpt2Recorder(tmp_path / "python", model, optimizer, probe) as recorder:
        tokens, targets = (torch.from_numpy(np.asarray(part)).long() for part in case.batches(0))
        logits = model(tokens).flatten(0, 1)
        torch.nn.functional.cross_entropy(logits, targets.flatten(), ignore_index=-1).backward()
        recorder.batch = tokens
        recorder.snapshot(0)
    theirs = _snapshot(tmp_path / "python", 0)
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
        snapshot = _snapshot(tmp_path / "run", step)
        for name, (dims, shape) in case.config.shapes().items():
            m, v = moments.get(name, (np.zeros(shape), np.zeros(shape)))
            layers = shape[0] if dims[0] == "layer" else 1
            for moment, values in (("m", m), ("v", v)):
                norms = np.linalg.norm(values.reshape(layers, -1), axis=1)
                np.testing.assert_allclose(snapshot[f"optimizer/{moment}_l2.{name}"], norms, rtol=1e-5)
            gradient = snapshot[f"grads/{name}"].astype(np.float64)
            moments[name] = (beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2)


def _snapshot(run: Path, step: int) -> Snapshot:
    manifest = parse((run / "manifest.json").read_bytes(), "manifest")
    path = next(path for found, _, path in list_files(run) if found == step)
    return Snapshot(path, manifest.raw, manifest.hash)


def test_the_split_and_the_minibatches_have_the_golden_values(program: Program, tmp_path: Path) -> None:
    done = program("--preset", "grok", "-n", 1, "-b", 6, "--width", 8, "-v", 99, "-d", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    pairs = _snapshot(tmp_path / "run", 0)["probe/tokens"]
    rows = pairs[:, 0] * 97 + pairs[:, 1]
    assert rows.tolist()[:8] == [8830, 932, 5429, 2803, 4808, 2155, 2518, 5584]
    assert rows.tolist()[8:12] == [2357, 9388, 7547, 4686]


def test_a_recorded_run_ingests_and_shows_its_curves(program: Program, tmp_path: Path) -> None:
    flags = ["--preset", "grok", "-n", 8, "-b", 16, "-v", 4, "-f", 4, "--modulus", 11, "--width", 16, "--heads", 2]
    done = program(*flags, "-d", tmp_path / "sums", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    ingest([tmp_path / "sums"], tmp_path / "store")
    store = strobe.open(tmp_path / "store")
    run = store.sql("SELECT status, steps, task, n_params FROM runs WHERE run = 'sums'").to_pylist()[0]
    assert (run["status"], run["steps"], run["task"]) == ("finished", 8, "modular_addition")
    names = store.sql("SELECT name FROM metrics WHERE run = 'sums'").column("name").to_pylist()
    expected = {"train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate", "grad_norm"}
    assert expected <= set(names)
    assert "mfu" not in names
    log = (tmp_path / "out" / "main.log").read_text().splitlines()
    assert log[0].startswith("s:0 tel:")
    assert log[1].startswith("s:0 trl:")
    assert len(log) == 9 + 3


def test_the_same_command_gives_the_same_bits(program: Program, tmp_path: Path) -> None:
    flags = ["--preset", "small", "-n", 3, "-b", 8, "--width", 16, "--heads", 2, "--modulus", 7]
    snapshots = []
    for name, more in (("off", ["-f", 3]), ("on", ["-f", 1])):
        assert program(*flags, *more, "-d", tmp_path / name).returncode == 0
        snapshots.append(_snapshot(tmp_path / name, 3))
    for name in snapshots[0].names:
        if name.startswith(("params/", "grads/", "optimizer/")):
            assert snapshots[0][name].tobytes() == snapshots[1][name].tobytes(), name


def _shard(path: Path, magic: int = 20240520, version: int = 1, count: int = 400, cut: int = 0) -> Path:
    header = np.zeros(256, np.int32)
    header[:3] = magic, version, count
    data = header.tobytes() + np.full(count, 60, np.uint16).tobytes()
    path.write_bytes(data[: len(data) - cut])
    return path


def _checkpoint(path: Path, magic: int = 20240326, version: int = 3, layers: int = 1, cut: int = 0) -> Path:
    config = agreement.ModelConfig(n_layer=1, n_head=2, n_embd=8, mlp_width=32, block_size=16, vocab_size=61)
    agreement.write_llmc_checkpoint(path, agreement.GPT(config), padded_vocab=64)
    data = bytearray(path.read_bytes())
    data[:20] = np.array([magic, version, 16, 61, layers], np.int32).tobytes()
    path.write_bytes(bytes(data[: len(data) - cut]))
    return path


BAD = {
    "-b": "a value is missing",
    "--bogus 3": "unknown flag --bogus",
    "--laers 3": "did you mean --layers",
    "stray": "'stray' is not a flag",
    "-n zero": "'zero' is not a whole number",
    "-n 0": "out of range",
    "-n 99999999999999999999": "not a whole number",
    "-l nan": "'nan' is not a number",
    "-f -3": "out of range",
    "--tf32=yes": "takes no value",
    "--task chess": "give one of modadd, tokens",
    "--preset huge": "give one of grok",
    "": "-i is missing",
    "-i nowhere.bin": "no such file",
    "-i {shard} -t 30": "not divisible by 4",
    "-i {shard} -b 4 -t 8 --tokens-per-step 40": "not divisible by",
    "-i {shard} -b 64 -t 64": "too few tokens",
    "-i {shard} -b full": "no full batch",
    "-i {shard} -t 64 --block-size 32": "more than the model's 32",
    "-i {magic}": "no token shard",
    "-i {version}": "version is 9",
    "-i {cut}": "truncated or damaged",
    "-i {header}": "cut off inside its header",
    "-i {shard} -b 2 -t 8 --vocab-size 50": "holds token 60",
    "-i {shard} -e nowhere.bin": "no such file",
    "-i {shard} -e {shard}": "no checkpoint of llm.c",
    "-i {shard} -b 2 -t 8 -e {checkpoint_version}": "version is 5",
    "-i {shard} -b 2 -t 8 -e {checkpoint_cut}": "truncated or damaged",
    "-i {shard} -b 2 -t 8 -e {checkpoint_layers}": "truncated or damaged",
    "-i {shard} -b 2 -t 8 -e {checkpoint_negative}": "a size in its header is -1",
    "-i {shard} -b 2 -t 32 -e {checkpoint}": "more than the 16",
    "-i {shard} -k 10": "give -o DIR",
    "--preset grok -k 10 -o {out}": "cannot|LayerNorm",
    "--preset grok -i {shard}": "sums need no data",
    "--preset grok -t 4": "sums have 3 positions",
    "--preset grok --train-fraction 0": "leaves a split empty",
    "--preset grok --heads 3": "no multiple of 3 heads",
    "--preset grok --weight-decay 2000": "must stay below 1",
    "--preset grok --schedule 5-": "is not STEP",
    "--preset grok --schedule 0-10/0": "is not STEP",
    "--preset grok -e {checkpoint}": "need 98",
    "--preset grok -n 1 -d {shard}": "-d: ",
    "--preset grok -n 1 -o {shard}/x": "cannot be written",
    "-i {fifo}": "is not a file",
    "-i {shard} -e {fifo}": "no such file",
    "-i {shard} -e {checkpoint} --layers 2": "the model comes from -e",
    "--preset grok --vocab-size 5": "as many tokens as --modulus",
    "--preset grok --modulus 7 --width 30000 --heads 1 --layers 4 -n 1": "GB of memory",
    "-i {shard} --layers 16777216 --width 1048576 --heads 1 -t 4 --fc1-band 0": "more than 64 billion parameters",
    "--preset grok --beta1 1": "give 0 to 0.9999999",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_argument_gives_one_line_and_an_error(program: Program, tmp_path: Path, line: str) -> None:
    files = {
        "shard": _shard(tmp_path / "shard.bin"),
        "magic": _shard(tmp_path / "magic.bin", magic=1),
        "version": _shard(tmp_path / "version.bin", version=9),
        "cut": _shard(tmp_path / "cut.bin", cut=5),
        "header": _shard(tmp_path / "header.bin", count=0, cut=100),
        "checkpoint": _checkpoint(tmp_path / "good.bin"),
        "checkpoint_version": _checkpoint(tmp_path / "cv.bin", version=5),
        "checkpoint_cut": _checkpoint(tmp_path / "cc.bin", cut=4),
        "checkpoint_layers": _checkpoint(tmp_path / "cl.bin", layers=2),
        "checkpoint_negative": _checkpoint(tmp_path / "cn.bin", layers=-1),
        "out": tmp_path / "out",
        "fifo": tmp_path / "fifo",
    }
    os.mkfifo(files["fifo"])
    done = program(*line.format(**files).split())
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert any(part in done.stderr for part in BAD[line].split("|")), done.stderr


def test_help_names_every_flag(program: Program) -> None:
    done = program("--help")
    assert done.returncode == 0
    for letter in "ijobtlvmsgkndf":
        assert f"  -{letter}, --" in done.stdout
    assert done.stderr == ""


def test_an_interrupted_run_ends_cleanly(binary: Path, tmp_path: Path) -> None:
    command = [binary, "--preset", "grok", "--modulus", "11", "-b", "4", "-f", "1", "-d", tmp_path / "run"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    while not list((tmp_path / "run").glob("step_*.bin")):
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    last = json.loads((tmp_path / "run" / "attempts.jsonl").read_text().splitlines()[-1])
    assert last["end"] == "interrupted"


def test_a_second_run_into_the_same_folder_is_refused(program: Program, tmp_path: Path) -> None:
    flags = ["--preset", "grok", "--modulus", 11, "-n", 1, "-b", 4, "--width", 8, "-d", tmp_path / "run"]
    assert program(*flags).returncode == 0
    done = program(*flags)
    assert done.returncode == 1
    assert "holds a run already" in done.stderr


def test_a_refused_start_leaves_the_log_of_the_first_run(program: Program, tmp_path: Path) -> None:
    flags = ["--preset", "grok", "--modulus", 11, "-n", 1, "-b", 4, "--width", 8, "-o", tmp_path / "out"]
    assert program(*flags, "-d", tmp_path / "run").returncode == 0
    log = (tmp_path / "out" / "main.log").read_text()
    assert "is there already" in program(*flags, "-d", tmp_path / "other").stderr
    assert not (tmp_path / "other" / "manifest.json").exists()
    assert (tmp_path / "out" / "main.log").read_text() == log


def _damage(start: Path, manifest: dict, kind: str) -> None:  # noqa: PLR0912  (one short branch each)
    """One thing wrong with a snapshot that a training would start from; what is not meant is kept right."""
    data = bytearray(start.read_bytes())
    tensors, model = manifest["snapshot"]["tensors"], manifest["model"]
    if kind == "cut":
        data = data[: len(data) // 2]
    elif kind == "payload":
        data[-70] ^= 1
    elif kind == "step":
        data[8] = 3
        agreement.sign(data)
    elif kind == "format":
        manifest["format"] = "zip"
    elif kind == "version":
        manifest["version"] = 99
    elif kind == "bytes":
        manifest["snapshot"]["bytes"] += 64
    elif kind == "shape":
        tensors[0]["shape"] = [str(size) for size in tensors[0]["shape"]]
    elif kind == "offset":
        tensors[0]["offset"] = 128
    elif kind == "width":
        model["mlp_width"] = 16777215
    elif kind == "huge":
        model.update(n_layer=2**23, n_embd=2**21, mlp_width=2**20, fc1_band=0)
    elif kind == "activation":
        model["activation"] = "\x1b[31mrelu"
    elif kind == "eps":
        model["layernorm_eps"] = -1
    elif kind == "eps missing":
        del model["layernorm_eps"]
    else:
        manifest["run"]["name"] = "another"
    text = json.dumps(manifest).encode()
    if kind != "another manifest":
        data[40:48] = agreement.fnv1a64(text).to_bytes(8, "little")
        if kind not in ("payload", "cut"):
            agreement.sign(data)
        else:
            data[60:64] = zlib.crc32(data[:60]).to_bytes(4, "little")
    (start.parent / "manifest.json").write_bytes(text)
    start.write_bytes(data)


@pytest.mark.parametrize(
    ("kind", "words"),
    {
        "cut": "truncated", "payload": "payload crc", "step": "another step", "format": "format",
        "version": "version", "bytes": "not as long", "shape": "not an integer",
        "offset": "lies where it must not", "width": "too short",
        "huge": "more than 64 billion", "activation": "activation is not", "eps": "layernorm_eps",
        "eps missing": "layernorm_eps", "another manifest": "another manifest",
    }.items(),
)  # fmt: skip
def test_a_damaged_snapshot_is_no_start(program: Program, tmp_path: Path, kind: str, words: str) -> None:
    case = agreement.small_cases(tmp_path)[0]
    start = agreement.write_start(tmp_path / "start", agreement.GPT(case.config))
    _damage(start, json.loads((tmp_path / "start" / "manifest.json").read_bytes()), kind)
    done = program(*case.flags, "-e", start, "-n", 1)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr


def test_the_epsilon_of_a_start_is_the_one_that_is_used(binary: Path, tmp_path: Path) -> None:
    case = agreement.small_cases(tmp_path, steps=2)[1]
    case.config = dataclasses.replace(case.config, layernorm_eps=0.25)
    start = agreement.write_start(tmp_path / "start", agreement.GPT(case.config, case.training.model_seed))
    agreement.train(binary, case, start, tmp_path / "run")
    assert not agreement.judge(tmp_path / "run", case).failures
    assert json.loads((tmp_path / "run" / "manifest.json").read_bytes())["model"]["layernorm_eps"] == 0.25


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_training(program: Program, tmp_path: Path) -> None:
    _shard(tmp_path / "shard.bin")
    sizes = ["--layers", 1, "--heads", 2, "--width", 8, "--vocab-size", 61, "--block-size", 8]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model_00000001.bin").mkdir()
    done = program("-i", tmp_path / "shard.bin", "-b", 2, "-t", 8, *sizes, "-n", 2, "-k", 1, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "model_00000001.bin: cannot be written" in done.stderr
    assert (tmp_path / "out" / "model_00000002.bin").is_file()


def test_a_sample_is_drawn_on_the_way(program: Program, tmp_path: Path) -> None:
    _shard(tmp_path / "shard.bin")
    sizes = ["--layers", 1, "--heads", 2, "--width", 8, "--vocab-size", 61, "--block-size", 8]
    done = program("-i", tmp_path / "shard.bin", "-b", 2, "-t", 8, *sizes, "-n", 3, "-s", 2, "-g", 5)
    tokens = done.stdout.split("---\n")[1].split()
    assert len(tokens) == 5
    assert all(0 <= int(token) < 61 for token in tokens)


def test_every_page_works_on_a_run_of_the_cpp_trainer(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--preset", "small", "-n", 20, "-b", 16, "-v", 10, "-f", 10, "--modulus", 7, "--width", 16, "--heads", 2]
    assert program(*flags, "-d", tmp_path / "cpp").returncode == 0
    ingest([tmp_path / "cpp"], tmp_path / "store")
    analyze = [sys.executable, "-m", "strobe.cli", "analyze", "cpp", "--store", str(tmp_path / "store")]
    subprocess.run(analyze, check=True, capture_output=True)
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    for page in EVERY_PAGE:
        at = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60)
        at.query_params["run"] = "cpp"
        at.run()
        assert not at.exception, f"{page}: {at.exception[0].stack_trace}"
        assert not at.error, f"{page}: {at.error[0].value}"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_training_goes_on_when_the_disk_is_full(program: Program, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        flags = ["--preset", "grok", "-n", 30, "-b", 8, "-v", 30, "-f", 1, "--modulus", 7, "--width", 64]
        done = program(*flags, "-d", disk / "run", "-o", tmp_path / "out")
        assert done.returncode == 0, done.stderr
        assert len((tmp_path / "out" / "main.log").read_text().splitlines()) == 31 + 2
        assert sum("No space left" in line for line in done.stderr.splitlines()) == 1
        counts = re.search(r"recorded ([0-9]+) snapshots, 0 skipped, ([0-9]+) missed", done.stdout)
        assert counts
        assert int(counts[1]) >= 1
        assert int(counts[1]) + int(counts[2]) == 31
        for step, _, _ in list_files(disk / "run"):
            _snapshot(disk / "run", step).verify()
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_kills_leave_only_whole_snapshots(binary: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    left = 0
    for kill in range(40):
        run = tmp_path / f"run{kill}"
        command = [binary, "--preset", "grok", "--modulus", "7", "--width", "16", "-b", "4", "-v", "50", "-f", "1"]
        process = subprocess.Popen([*map(str, command), "-d", str(run)], stdout=subprocess.DEVNULL)
        time.sleep(float(random.uniform(0.05, 1.0)))
        process.kill()
        process.wait()
        if not (run / "manifest.json").exists():
            continue
        for step, _, _ in list_files(run):
            _snapshot(run, step).verify()
            left += 1
        shutil.rmtree(run)
    assert left > 40


@pytest.mark.slow
def test_the_host_trainer_groks(tmp_path: Path) -> None:
    """Modulo 31 the small model generalises within a few hundred steps, on the optimised host build."""
    subprocess.run(["make", "-s", "-C", str(CUDA), f"BUILD={tmp_path}", "host"], check=True)
    command = [tmp_path / "train_gpt2_fp32_host", "--preset", "small", "-n", "3000", "-d", tmp_path / "run"]
    command += ["--modulus", "31", "--train-fraction", "0.5", "-b", "256"]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    ingest([tmp_path / "run"], tmp_path / "store")
    best = strobe.open(tmp_path / "store").sql("SELECT max(value) v FROM scalars WHERE name = 'val_accuracy'")
    assert best.column("v")[0].as_py() >= 0.99


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
        [sys.executable, "-c", textwrap.dedent(program), str(CUDA), str(tmp_path)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == "1", done.stderr
