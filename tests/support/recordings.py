"""A recording of each kind of input, whole, in stages of its growth, damaged, and in false clothes.

tests/etl/ingest/test_source_contract.py runs over all of them: a source without one here fails there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from etl.ingest import sources
from tests.support.binary_logs import MlflowFolder
from tests.support.checkpoints import gpt2_arrays, llmc_bytes
from tests.support.foreign_logs import FOREIGN
from tests.support.impostors import STAGES
from tests.support.make_run import make_run
from tests.support.places import ROOT

TOY = ROOT / "tests" / "support" / "toy_source"


@contextmanager
def toy_source() -> Iterator[None]:
    """The toy is one of the sources: its file lies where sources are looked for, and nothing else knows of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "__path__", [*sources.__path__, str(TOY)])
        yield


class Example(Protocol):
    """Recordings of one kind."""

    values: int
    """Metric values that a whole one holds in its log."""
    grows: bool
    """Whether there is ever more than one stage of it."""

    def stage(self, folder: Path, number: int) -> Path:
        """The recording as it is after `number` of STAGES, in `folder`; its path. Grows what is there."""

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        """A whole recording with some damage; its path, and file -> how many losses must be told of it."""

    def impostors(self, folder: Path) -> list[Path]:
        """Things under the usual name that are none of this kind, or cannot be read at all."""


class RunFolders:
    grows = True
    values = 31 * 2 + 4 * 2

    def stage(self, folder: Path, number: int) -> Path:
        whole, run = folder / "aside" / "alpha", folder / "alpha"
        if not whole.exists():
            make_run(whole, steps=(0, 10, 20, 30), layers=1, heads=1, width=4)
        run.mkdir(exist_ok=True)
        shutil.copy(whole / "manifest.json", run)
        for path in sorted(whole.glob("step_*.bin"))[:number]:
            shutil.copy(path, run)
        for name in ("metrics.jsonl", "attempts.jsonl"):
            lines = (whole / name).read_bytes().splitlines(keepends=True)
            kept = b"".join(lines[: len(lines) * number // STAGES])
            # A live writer may have put half of the next line down.
            torn = lines[-1][:7] if number < STAGES else b""
            (run / name).write_bytes(kept + torn)
        return run

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        run = self.stage(folder, STAGES)
        (run / "step_000010.bin").write_bytes(b"STROBE1\0" + bytes(100))
        lines = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
        lines[3], lines[5] = b"{half a line\n", b'{"step":-1,"time":1.0,"train_loss":2.0}\n'
        (run / "metrics.jsonl").write_bytes(b"".join(lines))
        return run, {"step_000010.bin": 1, "metrics.jsonl": 2}

    def impostors(self, folder: Path) -> list[Path]:
        no_manifest, other, empty = (folder / name for name in ("no-manifest", "other", "empty"))
        for path in (no_manifest, other, empty):
            path.mkdir()
        (no_manifest / "step_000000.bin").write_bytes(b"STROBE1\0")
        (other / "manifest.json").write_text('{"name": "a web page", "icons": []}')
        (empty / "manifest.json").write_bytes(b"")
        return [no_manifest, other, empty]


class LossCsv:
    grows = True
    values = 12

    def _lines(self) -> list[bytes]:
        return [b"step,loss\n", *(b"%d,%.3f\r\n" % (step, 2 / (1 + step)) for step in range(self.values))]

    def stage(self, folder: Path, number: int) -> Path:
        lines = self._lines()
        count = 1 + self.values * number // STAGES
        path = folder / "run.log"
        path.write_bytes(b"".join(lines[:count]) + (lines[-1][:2] if number < STAGES else b""))
        return path

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        lines = self._lines()
        lines[4], lines[7] = b"\xff\xfe\0\n", b"99999999999999999999,1.0\n"
        path = folder / "run.log"
        path.write_bytes(b"".join(lines))
        return path, {"run.log": 2}

    def impostors(self, folder: Path) -> list[Path]:
        (folder / "loss.csv").write_text("name,age\n1,2\n")
        (folder / "empty.csv").write_bytes(b"")
        (folder / "folder.csv").mkdir()
        (folder / "link.csv").symlink_to(folder / "loss.csv")
        return [folder / name for name in ("loss.csv", "empty.csv", "folder.csv", "link.csv")]


class Checkpoints:
    grows = True
    values = 4 * 2

    def stage(self, folder: Path, number: int) -> Path:
        run = folder / "gamma"
        run.mkdir(exist_ok=True)
        for step in range(number):
            path = run / f"model_{step:05d}.bin"
            if not path.exists():
                arrays = gpt2_arrays(layers=1, width=4, positions=3, padded=8, seed=step)
                path.write_bytes(llmc_bytes(arrays, heads=1, positions=3, vocabulary=7))
                os.utime(path, (1.76e9 + step, 1.76e9 + step))
        lines = self._lines()
        torn = lines[-1][:7] if number < STAGES else b""
        (run / "metrics.jsonl").write_bytes(b"".join(lines[:number]) + torn)
        return run

    def _lines(self) -> list[bytes]:
        return [b'{"step":%d,"time":1.0,"loss":%d,"lr":0.1}\n' % (step, 9 - step) for step in range(STAGES)]

    def damaged(self, folder: Path) -> tuple[Path, dict[str, int]]:
        run = self.stage(folder, STAGES)
        (run / "model_00001.bin").write_bytes((run / "model_00001.bin").read_bytes()[:-4])
        lines = self._lines()
        lines[1], lines[2] = b"{half a line\n", b'{"step":-1,"time":1.0,"loss":2.0}\n'
        (run / "metrics.jsonl").write_bytes(b"".join(lines))
        return run, {"model_00001.bin": 1, "metrics.jsonl": 2}

    def impostors(self, folder: Path) -> list[Path]:
        text, empty, false = (folder / name for name in ("text", "nothing", "false"))
        for path in (text, empty, false):
            path.mkdir()
        (text / "step1.pt").write_text("loss 3.2")
        (false / "model_00001.bin").write_bytes(
            llmc_bytes({"wte": np.zeros((9, 2))}, heads=0, positions=0, vocabulary=0)
        )
        return [text, empty, false]


EXAMPLES: dict[str, Example] = {
    "snapshots": RunFolders(),
    "loss_csv": LossCsv(),
    "checkpoints": Checkpoints(),
    "mlflow_folder": MlflowFolder(),
    **FOREIGN,
}
"""By the name of the source's module."""
