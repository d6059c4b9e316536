"""Builds and drives the C++ recorder: a program that takes commands on stdin, one JSON array a line."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.run.verify import verify_run

CUDA = Path(__file__).parent.parent / "cuda"
STRICT = ["-std=c++17", "-g1", "-Wall", "-Wextra", "-Werror", "-pthread"]
SANITIZED = ["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
WRAPPED = [f"-Wl,--wrap={name}" for name in ("open", "close", "write", "fsync", "renameat2")]
DIMS = ("a", "b", "c", "d", "e", "f", "g", "h")
GPT2 = {
    "family": "gpt2", "n_layer": 1, "n_head": 1, "n_embd": 4, "mlp_width": 8, "block_size": 3, "vocab_size": 7,
    "activation": "relu", "layernorm": "none", "layernorm_eps": 1e-5, "bias": False, "tied_embeddings": True,
}  # fmt: skip


def sources() -> list[str]:
    """The recorder's sources, as the Makefile has them."""
    text = (CUDA / "recorder.mk").read_text().replace("\\\n", " ")
    return next(line.partition(":=")[2].split() for line in text.splitlines() if line.startswith("RECORDER_SOURCES"))


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run share, and no other run does."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cuda-recorder"


def build(folder: Path, flags: Sequence[str] = SANITIZED) -> Path:
    """The driver, compiled once for all test processes that share `folder`."""
    folder.mkdir(exist_ok=True)
    program = folder / "recorder_driver"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return program
        units = [CUDA / name for name in (*sources(), "tests/recorder_driver.cpp")]
        pending = [(unit, folder / f"{unit.stem}.o") for unit in units]
        objects = [out for _, out in pending]
        # Two at a time: most machines that run tests have two cores.
        while pending:
            commands = [["g++", *STRICT, *flags, "-c", unit, "-o", out] for unit, out in pending[:2]]
            running = [subprocess.Popen(command) for command in commands]
            codes = [process.wait() for process in running]
            assert not any(codes), "the recorder does not compile"
            pending = pending[2:]
        subprocess.run(["g++", *flags, *WRAPPED, "-pthread", *objects, "-o", program], check=True)
    return program


def build_with(folder: Path, name: str, units: Sequence[Path], include: Path) -> Path:
    """Another program of `units`, linked to the recorder that `build` made in `folder`."""
    objects = [folder / f"{Path(source).stem}.o" for source in sources()]
    compiling = ["g++", *STRICT, *SANITIZED, "-I", include, "-x", "c++", *units, "-x", "none"]
    subprocess.run([*compiling, *objects, "-o", folder / name], check=True)
    return folder / name


def sound(folder: Path) -> bool:
    return all(finding.status == "ok" for finding in verify_run(folder))


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.glob(".*.tmp")]


def warnings(said: str) -> list[str]:
    return [line for line in said.splitlines() if "could not be recorded" in line]


@dataclass
class Given:
    """A tensor as the recorder is given it; with `l2_of`, `array` has one more axis at its end."""

    name: str
    array: np.ndarray[Any, Any]
    dtype: str | None = None
    dims: Sequence[str] | None = None
    l2: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape[:-1] if self.l2 else self.array.shape

    def entry(self, folder: Path, number: int) -> dict[str, Any]:
        file = folder / f"tensor_{number}"
        file.write_bytes(np.ascontiguousarray(self.array).tobytes())
        return {
            "name": self.name,
            "dims": list(self.dims or DIMS[: len(self.shape)]),
            "shape": list(self.shape),
            "dtype": self.dtype or self.array.dtype.name,
            "l2_of": self.array.shape[-1] if self.l2 else 0,
            "file": str(file),
        }


class Driver:
    """One process of the driver. `exchange` sends a command and returns its answer."""

    def __init__(self, program: Path, scratch: Path, stderr: int | None = None) -> None:
        """`stderr` is a descriptor of the caller's; without it `stderr()` gives what was said."""
        scratch.mkdir(parents=True, exist_ok=True)
        self.scratch = scratch
        self._errors = (scratch / "stderr").open("w+")
        said = self._errors if stderr is None else stderr
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
        )

    def send(self, *command: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the driver ended: {self.process.wait()}\n{self.stderr()}"
        return json.loads(line)

    def exchange(self, *command: object) -> Any:
        self.send(*command)
        return self.answer()

    def open(self, folder: Path, tensors: Sequence[Given | dict[str, Any]] = (), **options: Any) -> str | None:
        """Open a recorder; the reason where that fails. JSON objects may be given as such."""
        entries = [
            given.entry(self.scratch, i) if isinstance(given, Given) else given for i, given in enumerate(tensors)
        ]
        for key in ("model", "task", "training"):
            if key in options and not isinstance(options[key], str):
                options[key] = json.dumps(options[key], ensure_ascii=False)
        answer: dict[str, str] = self.exchange("open", {"folder": str(folder), **options}, entries)
        return answer.get("error")

    def load(self, number: int, array: np.ndarray[Any, Any]) -> None:
        file = self.scratch / "load"
        file.write_bytes(np.ascontiguousarray(array).tobytes())
        self.exchange("load", number, str(file))

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.exchange("status")
        return status

    def stderr(self) -> str:
        self._errors.flush()
        return Path(self._errors.name).read_text()

    def end(self) -> str:
        """Close stdin and wait; what was said on stderr. Fails on anything a sanitizer found."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0, self.stderr()
        return self.stderr()

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.process.poll() is None:
            if kind is None:
                self.end()
            else:
                self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            assert stream is not None
            stream.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
