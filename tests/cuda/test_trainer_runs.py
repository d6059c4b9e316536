"""Whole runs of the C++ trainer on the host: their record, their end, the pages that show them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import strobe
from etl.ingest.load import ingest
from etl.run.file_names import list_files
from tests.support.app_store import EVERY_PAGE
from tests.support.cuda_programs import CUDA, NEEDS_A_COMPILER
from tests.support.cuda_trainer import Program, read, shard
from tests.support.effort import whole_in_ci
from tests.support.places import ROOT

pytestmark = NEEDS_A_COMPILER


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
        snapshots.append(read(tmp_path / name, 3))
    for name in snapshots[0].names:
        if name.startswith(("params/", "grads/", "optimizer/")):
            assert snapshots[0][name].tobytes() == snapshots[1][name].tobytes(), name


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


def test_a_sample_is_drawn_on_the_way(program: Program, tmp_path: Path) -> None:
    shard(tmp_path / "shard.bin")
    sizes = ["--layers", 1, "--heads", 2, "--width", 8, "--vocab-size", 61, "--block-size", 8]
    done = program("-i", tmp_path / "shard.bin", "-b", 2, "-t", 8, *sizes, "-n", 3, "-s", 2, "-g", 5)
    tokens = done.stdout.split("---\n")[1].split()
    assert len(tokens) == 5
    assert all(0 <= int(token) < 61 for token in tokens)


@whole_in_ci
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


@whole_in_ci
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
            read(disk / "run", step).verify()
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
            read(run, step).verify()
            left += 1
        shutil.rmtree(run)
    assert left > 40


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_host_trainer_groks(tmp_path: Path) -> None:
    """Modulo 31 the small model generalises within a few hundred steps, on the optimised host build."""
    subprocess.run(["make", "-s", "-C", str(CUDA), f"BUILD={tmp_path}", "host"], check=True)
    command = [tmp_path / "train_gpt2_fp32_host", "--preset", "small", "-n", "3000", "-d", tmp_path / "run"]
    command += ["--modulus", "31", "--train-fraction", "0.5", "-b", "256"]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    ingest([tmp_path / "run"], tmp_path / "store")
    best = strobe.open(tmp_path / "store").sql("SELECT max(value) v FROM scalars WHERE name = 'val_accuracy'")
    assert best.column("v")[0].as_py() >= 0.99
