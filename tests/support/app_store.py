"""Stores for the tests of the app, written through the real ingest."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from etl.ingest.load import ingest
from strobe.ui.shell.registry import specs
from tests.support.make_run import make_run

PAGES = ("runs", "curves")
EVERY_PAGE = tuple(name for name, spec in specs().items() if name != "sql" and spec.needs_run)
"""Those that show runs; the SQL page has a test file of its own."""


def grokking(root: Path, name: str = "grok-a", *, steps: Sequence[int] = range(0, 1501, 100)) -> Path:
    """A store with one run whose curves grok: onset at step 880, peak of the test loss at 336. It is a copy, and the
    snapshots are read from where the run was first made."""
    return _copy(_grokking(name, tuple(steps)), root)


def log_only(root: Path, rows: Sequence[dict[str, object]], name: str = "log-only") -> Path:
    """A store with one run that has a manifest and metrics but no snapshot."""
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if (root / "store").exists():
        ingest([_logging(root, lines, name)], root / "store")
        return root / "store"
    return _copy(_log_only(lines, name), root)


@functools.cache
def _templates() -> Path:
    """A folder of this process for what is made once and copied."""
    folder = Path(tempfile.mkdtemp(prefix="strobe-stores-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _grokking(name: str, steps: tuple[int, ...]) -> Path:
    root = Path(tempfile.mkdtemp(dir=_templates()))
    ingest([make_run(root / "runs" / name, steps=steps, layers=1, vocab=97)], root / "store")
    return root / "store"


@functools.cache
def _log_only(lines: str, name: str) -> Path:
    root = Path(tempfile.mkdtemp(dir=_templates()))
    ingest([_logging(root, lines, name)], root / "store")
    return root / "store"


def _logging(root: Path, lines: str, name: str) -> Path:
    run = make_run(root / "runs" / name, steps=(0,))
    for file in run.glob("step_*.bin"):
        file.unlink()
    (run / "metrics.jsonl").write_text(lines)
    return run


def _copy(store: Path, root: Path) -> Path:
    return Path(shutil.copytree(store, root / "store"))
