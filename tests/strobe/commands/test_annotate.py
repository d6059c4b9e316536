"""`strobe tag`, `note` and `archive`, and what keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.store.annotations import Annotations
from etl.store.catalogue import Store
from strobe.cli import app
from tests.support.make_run import make_run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    ingest([make_run(tmp_path / "runs" / "alpha", steps=(0, 100))], tmp_path / "store")


def call(*arguments: str, answer: str | None = None) -> str:
    result = CliRunner().invoke(app, arguments, input=answer)
    if isinstance(result.exception, StrobeError):
        raise result.exception
    return result.stdout


def said(tmp_path: Path) -> Annotations:
    return Store(tmp_path / "store").current().annotations()["alpha"]


def test_tags_are_added_once_and_taken_away(tmp_path: Path) -> None:
    assert call("tag", "alpha") == "no tags\n"
    assert call("tag", "alpha", "paper", "seed 2,best", "paper") == "paper, seed 2, best\n"
    assert json.loads(call("tag", "alpha", "--remove", "best", "--json")) == ["paper", "seed 2"]
    assert said(tmp_path).tags == ("paper", "seed 2")


def test_a_note_is_written_printed_and_removed(tmp_path: Path) -> None:
    call("note", "alpha", "the one with\x1b[31m warmup")
    assert call("note", "alpha") == "the one with\\x1b[31m warmup\n"
    call("note", "alpha", "--clear")
    assert said(tmp_path) == Annotations()


def test_an_archived_run_is_not_listed_until_it_is_asked_for() -> None:
    call("archive", "alpha")
    assert "alpha" not in call("runs")
    assert "alpha" in call("runs", "--archived")
    call("archive", "alpha", "--undo")
    assert "alpha" in call("runs")


def test_an_ingest_and_a_rebuild_keep_what_was_said(tmp_path: Path) -> None:
    call("tag", "alpha", "kept")
    make_run(tmp_path / "more" / "alpha", steps=(0, 100, 200))
    ingest([tmp_path / "runs" / "alpha"], tmp_path / "store")
    call("ingest", "--rebuild", "alpha")
    assert said(tmp_path).tags == ("kept",)


def test_what_cannot_be_shown_or_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StrobeError, match="a tag is 1 to 40 printable characters"):
        call("tag", "alpha", "a\nb")
    with pytest.raises(StrobeError, match=r"the note has 5,000 characters; at most 4,000"):
        call("note", "alpha", "x" * 5_000)
    with pytest.raises(StrobeError, match=r"21 tags; a run has at most 20"):
        call("tag", "alpha", *(f"t{k}" for k in range(21)))
    assert said(tmp_path) == Annotations()


def test_rm_says_what_will_go_before_it_asks(tmp_path: Path) -> None:
    asked = call("rm", "alpha", answer="n\n")
    assert "files of" in asked
    assert f"Recorded snapshots stay in {tmp_path / 'runs' / 'alpha'}" in asked


@pytest.mark.parametrize("raw", [None, 3, {"tags": "x", "note": 1, "archived": "yes"}, {"tags": [1, "a"]}])
def test_what_a_pointer_should_not_say_counts_as_not_said(raw: object) -> None:
    assert Annotations.of({"annotations": raw}).tags in ((), ("a",))
    assert not Annotations.of({"annotations": raw}).archived
