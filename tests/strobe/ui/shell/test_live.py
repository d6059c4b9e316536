"""What a page that follows a run makes again: its curves alone where no more than its log has grown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from etl.ingest.load import ingest
from strobe.ui.shell import live
from strobe.ui.shell.cache import shared
from strobe.ui.shell.moments import milestones_of
from strobe.ui.shell.reader import Reader
from strobe.views.run_view import RunView, snapshot_steps
from tests.support.make_run import make_run
from tests.support.places import ROOT


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    made = make_run(tmp_path / "live", steps=(0, 100), layers=1, end=None)
    log(made, 0, 1, 2)
    ingest([made], tmp_path / "store")
    yield made
    # What a session holds is held to the end of the process here, where there is none.
    live.follow_nothing()
    shared().clear()


def log(run: Path, *steps: int, name: str = "train_loss") -> None:
    with (run / "metrics.jsonl").open("a") as file:
        for step in steps:
            file.write(json.dumps({"step": 1000 + step, "time": time.time(), name: 1.0}) + "\n")


def page(run: str = "live") -> Any:
    """As much of a page as is asked for."""
    reader = Reader.newest()
    rows = {row["run"]: row for row in reader.every_run().to_pylist()}
    view = RunView(reader.of(run), run, snapshot_steps(reader.of(run), run))
    made = SimpleNamespace(name="curves", reader=reader, rows=rows, runs=[run], view=view, of=reader.of, run=run)
    made.milestones = milestones_of(view)
    return made


def alone(before: Any) -> bool:
    newest = Reader.newest()
    assert live._version(before, newest) != live._version(before, before.reader)
    return live._only_logs_grew(before, newest, {row["run"]: row for row in newest.every_run().to_pylist()})


def test_a_longer_log_alone_changes_no_more_than_curves(run: Path, tmp_path: Path) -> None:
    before = page()
    log(run, 3, 4)
    ingest([run], tmp_path / "store")
    assert alone(before)


def test_a_metric_that_was_not_there_changes_the_page(run: Path, tmp_path: Path) -> None:
    before = page()
    log(run, 3, name="something_else")
    ingest([run], tmp_path / "store")
    assert not alone(before)


def test_a_snapshot_or_the_end_of_a_run_changes_the_page(run: Path, tmp_path: Path) -> None:
    before = page()
    end = {"attempt": 0, "end": "finished", "step": 1002, "time": time.time()}
    with (run / "attempts.jsonl").open("a") as file:
        file.write(json.dumps(end) + "\n")
    ingest([run], tmp_path / "store")
    assert not alone(before)
    other = make_run(tmp_path / "more" / "live", steps=(0, 100, 200), layers=1, end=None)
    before = page()
    for file in other.glob("step_*200*"):
        (run / file.name).write_bytes(file.read_bytes())
    ingest([run], tmp_path / "store")
    assert Reader.newest().of("live").key != before.of("live").key
    assert not alone(before)


def test_a_page_of_a_live_run_says_so_and_its_curves_are_what_grows(run: Path) -> None:
    at = AppTest.from_file(str(ROOT / "pages" / "curves.py"), default_timeout=60).run()
    assert not at.exception
    assert any("Live: live at step" in html.proto.body for html in at.get("html"))


@pytest.mark.parametrize("grown", [False, True], ids=["as it was", "with a longer log"])
def test_a_part_that_grows_is_made_of_the_run_as_it_is(run: Path, tmp_path: Path, grown: bool) -> None:
    before = page()
    live.follow(before)
    if grown:
        log(run, 3, 4)
        ingest([run], tmp_path / "store")
    live.renew(before)
    assert before.rows["live"]["steps"] == (1004 if grown else 1002)
    assert before.view.tables.key == Reader.newest().of("live").key
    assert before.reader.of("live").key == Reader.newest().of("live").key


def test_what_was_read_of_a_version_before_is_let_go_and_no_other(run: Path, tmp_path: Path) -> None:
    shared().clear()
    before = page()
    before.view.rows("SELECT count(*) AS n FROM scalars")
    old = before.view.tables.key[1]
    shared().put(("of another", "version"), 1)
    log(run, 3)
    ingest([run], tmp_path / "store")
    assert any(live._tells(key, {old}) for key in shared()._kept)
    live.renew(before)
    assert not any(live._tells(key, {old}) for key in shared()._kept)
    assert ("of another", "version") in shared()
