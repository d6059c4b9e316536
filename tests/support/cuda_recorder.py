"""Drives the C++ recorder: a program that takes commands on stdin, one JSON array a line."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from etl.run.verify import verify_run

DIMS = ("a", "b", "c", "d", "e", "f", "g", "h")
GPT2 = {
    "family": "gpt2", "n_layer": 1, "n_head": 1, "n_embd": 4, "mlp_width": 8, "block_size": 3, "vocab_size": 7,
    "activation": "relu", "layernorm": "none", "layernorm_eps": 1e-5, "bias": False, "tied_embeddings": True,
}  # fmt: skip


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
