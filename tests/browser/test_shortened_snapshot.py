"""Snapshots that are shortened in place under a server: the page says so, and every other run is served on."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from etl.ingest.load import ingest
from tests.support.make_run import make_run
from tests.support.served import served


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_outlives_them(tmp_path: Path, page: Any) -> None:
    doomed, other = (
        make_run(tmp_path / "runs" / name, steps=range(0, 301, 100), layers=2, width=8, probe=(2, 6))
        for name in ("doomed", "other")
    )
    ingest([doomed, other], tmp_path / "store")
    with served(tmp_path / "store") as address:

        def look(subject: str, run: str, text: str = "") -> None:
            page.goto(f"{address}/{subject}?run={run}", timeout=120_000, wait_until="commit")
            (page.get_by_text(text).first if text else page.locator("canvas").first).wait_for(timeout=120_000)

        look("weights", "doomed")
        for snapshot in doomed.glob("step_*.bin"):
            os.truncate(snapshot, 4096)
        look("attention", "doomed", "can be read")
        look("embeddings", "doomed", "can be read")
        look("attention", "other")
        look("weights", "other")
        assert page.get_by_text("Traceback").count() == 0
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=10) as answer:
            assert answer.status == 200
