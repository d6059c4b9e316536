"""Pages that draw one run say which, where several are selected."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.ingest.load import ingest
from tests.support.inside import opened, text_of
from tests.support.make_run import make_run


def test_a_page_of_one_run_names_it_and_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    runs = [make_run(tmp_path / "runs" / name, steps=(0, 100), layers=1) for name in ("one", "two")]
    ingest(runs, tmp_path / "store")
    several = text_of(opened("embeddings", monkeypatch, tmp_path / "store", run=["two", "one"]))
    assert "Drawn: two, the first of 2 selected runs; not one." in several
    assert "Drawn:" not in text_of(opened("embeddings", monkeypatch, tmp_path / "store", run="two"))
