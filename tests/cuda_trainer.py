"""Builds and drives the C++ trainer for the host, under sanitizers, and makes the files that it reads."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from etl.run.manifest import parse
from etl.run.snapshot import Snapshot, list_files

CUDA = Path(__file__).parent.parent / "cuda"
sys.path.insert(0, str(CUDA))

import agreement  # noqa: E402  (it lies beside the program that it judges)

NEEDS_A_COMPILER = pytest.mark.skipif(
    shutil.which("g++") is None or shutil.which("make") is None, reason="needs g++ and make"
)

Program = Callable[..., "subprocess.CompletedProcess[str]"]


def build() -> Path:
    """The trainer under sanitizers; one test process at a time makes it."""
    (CUDA / "build").mkdir(exist_ok=True)
    with (CUDA / "build" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["make", "-s", "-j2", "-C", str(CUDA), "build/train_gpt2_fp32_checked"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return CUDA / "build" / "train_gpt2_fp32_checked"


def runner(binary: Path) -> Program:
    """Runs the trainer with the arguments that it is given."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(binary), *map(str, arguments)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    return run


def read(run: Path, step: int) -> Snapshot:
    manifest = parse((run / "manifest.json").read_bytes(), "manifest")
    path = next(path for found, _, path in list_files(run) if found == step)
    return Snapshot(path, manifest.raw, manifest.hash)


def shard(path: Path, magic: int = 20240520, version: int = 1, count: int = 400, cut: int = 0) -> Path:
    header = np.zeros(256, np.int32)
    header[:3] = magic, version, count
    data = header.tobytes() + np.full(count, 60, np.uint16).tobytes()
    path.write_bytes(data[: len(data) - cut])
    return path


def checkpoint(path: Path, magic: int = 20240326, version: int = 3, layers: int = 1, cut: int = 0) -> Path:
    config = agreement.ModelConfig(n_layer=1, n_head=2, n_embd=8, mlp_width=32, block_size=16, vocab_size=61)
    agreement.write_llmc_checkpoint(path, agreement.GPT(config), padded_vocab=64)
    data = bytearray(path.read_bytes())
    data[:20] = np.array([magic, version, 16, 61, layers], np.int32).tobytes()
    path.write_bytes(bytes(data[: len(data) - cut]))
    return path
