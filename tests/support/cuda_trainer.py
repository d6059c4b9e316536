"""Runs the C++ trainer for the host, under sanitizers, and makes the files that it reads."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from etl.run.file_names import list_files
from etl.run.manifest import parse
from etl.run.snapshot import Snapshot
from tests.support.cuda_programs import CUDA


def _load(path: Path) -> ModuleType:
    """The module in a file that lies beside the program that it judges, in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


agreement = _load(CUDA / "check" / "agreement.py")

Program = Callable[..., "subprocess.CompletedProcess[str]"]


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
