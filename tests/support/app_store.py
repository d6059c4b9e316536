"""Stores for the tests of the app, written through the real ingest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from etl.ingest.load import ingest
from strobe.ui.shell.registry import specs
from tests.support.make_run import make_run

PAGES = ("runs", "curves")
EVERY_PAGE = tuple(name for name in specs() if name != "sql")
"""Those that show runs; the SQL page has a test file of its own."""


def grokking(root: Path, name: str = "grok-a", *, steps: Sequence[int] = range(0, 1501, 100)) -> Path:
    """A store with one run whose curves grok: onset at step 880, peak of the test loss at 336."""
    run = make_run(root / "runs" / name, steps=steps, layers=1, vocab=97)
    ingest([run], root / "store")
    return root / "store"


def log_only(root: Path, rows: Sequence[dict[str, object]], name: str = "log-only") -> Path:
    """A store with one run that has a manifest and metrics but no snapshot."""
    run = make_run(root / "runs" / name, steps=(0,))
    for file in run.glob("step_*.bin"):
        file.unlink()
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest([run], root / "store")
    return root / "store"
