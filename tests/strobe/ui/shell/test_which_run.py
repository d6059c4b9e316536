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
    several = text_of(opened("health", monkeypatch, tmp_path / "store", run=["two", "one"]))
    assert "Drawn: two, the first of 2 selected runs; not one." in several
    assert "Drawn:" not in text_of(opened("health", monkeypatch, tmp_path / "store", run="two"))


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs of one layer, and one of two layers with another vocabulary."""
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    runs = [
        make_run(tmp_path / "runs" / name, steps=(0, 100), layers=1, seed=k) for k, name in enumerate(("one", "two"))
    ]
    runs.append(make_run(tmp_path / "runs" / "three", steps=(0, 100), layers=2, vocab=30))
    ingest(runs, tmp_path / "store")
    return tmp_path / "store"


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("weights", "fcw.0 at the cursor: {}"),
        ("attention", "Attention at the cursor: {}"),
        ("embeddings", "Tokens (wte): {}"),
    ],
)
def test_two_runs_stand_side_by_side(page: str, title: str, three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(opened(page, monkeypatch, three, run=["two", "one"]))
    assert "Drawn: two and one side by side, on one scale." in text
    assert title.format("two") in text
    assert title.format("one") in text
    assert title.format("three") not in text


@pytest.mark.parametrize("page", ["weights", "attention", "embeddings"])
def test_of_more_runs_the_others_are_named(page: str, three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(opened(page, monkeypatch, three, run=["two", "one", "three"]))
    assert "Drawn: two and one, the first two of 3 selected runs; not three." in text
    alone = text_of(opened(page, monkeypatch, three, run=["two", "one", "three"], two="no"))
    assert "Drawn: two, the first of 3 selected runs; not one, three." in alone
    assert "Drawn:" not in text_of(opened(page, monkeypatch, three, run="two"))


def test_what_the_second_run_has_not_is_said(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(opened("weights", monkeypatch, three, run=["three", "one"], matrix="fcw.1"))
    assert "This run has no matrix fcw.1." in text
    text = text_of(opened("embeddings", monkeypatch, three, run=["three", "one"], axes="tsne"))
    assert "Drawn: three and one" in text
