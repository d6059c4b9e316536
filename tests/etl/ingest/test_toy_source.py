"""A foreign log is one file: a toy source that ingests, follows, and shows, added where sources are looked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.ingest.find import sources
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.cli import app
from tests.support.inside import opened, text_of
from tests.support.recordings import TOY, toy_source


@pytest.fixture(autouse=True)
def _with_the_toy() -> Iterator[None]:
    with toy_source():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def grown(path: Path, lines: int) -> Path:
    path.write_text("step,loss\n" + "".join(f"{step},{4 / (1 + step)}\n" for step in range(lines)))
    return path


def test_it_is_one_file_under_forty_lines() -> None:
    (file,) = TOY.iterdir() if not (TOY / "__pycache__").exists() else TOY.glob("*.py")
    assert len(file.read_text().splitlines()) < 40
    assert file.stem in sources()


def test_without_its_file_there_is_no_such_source(monkeypatch: pytest.MonkeyPatch) -> None:
    from etl.ingest import sources as package

    monkeypatch.setattr(package, "__path__", [place for place in package.__path__ if place != str(TOY)])
    assert "loss_csv" not in sources()


def test_it_ingests_and_follows(tmp_path: Path, store: Path) -> None:
    for lines, new in ((3, 3), (50, 47), (50, 0)):
        (report,) = ingest([grown(tmp_path / "My Run.csv", lines)], store)
        assert (report.run, report.metrics, report.changed) == ("my-run", new, new > 0)
    catalogue = Store(store).current()
    (run,) = catalogue.runs().to_pylist()
    assert (run["name"], run["source"], run["steps"], run["attempts"]) == ("My Run", "loss_csv", 49, 1)
    curve = catalogue.query("SELECT step, value FROM scalars WHERE name = 'train_loss' ORDER BY step").to_pylist()
    assert [(row["step"], row["value"]) for row in curve] == [(step, 4 / (1 + step)) for step in range(50)]
    (metric,) = catalogue.query("SELECT * FROM metrics").to_pylist()
    assert (metric["n"], metric["unit"], metric["max"], metric["last_step"]) == (50, None, 4.0, 49)


def test_the_command_line_takes_it(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    path = grown(tmp_path / "run.csv", 5)
    path.write_text(path.read_text() + "5,not a number\n6,")
    done = CliRunner().invoke(app, ["ingest", str(path), "--store", str(store)])
    assert done.exit_code == 1
    assert done.stdout == "run: 0 snapshots, 5 metric values added, unknown\n"
    assert "left out run.csv line 7: could not convert string to float: 'not a number'" in done.stderr
    assert "2 bytes of a last line without its end wait for the rest of it" in done.stderr
    listed = CliRunner().invoke(app, ["runs", "--json", "--store", str(store)])
    assert [row["run"] for row in json.loads(listed.stdout)] == ["run"]


def test_it_shows(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest([grown(tmp_path / "run.csv", 50)], store)
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    runs = text_of(opened("runs", monkeypatch, store))
    assert "49 steps · 0 snapshots" in runs
    curves = text_of(opened("curves", monkeypatch, store, run="run"))
    # The fifty points of its curve, which Curves reads once for the chart and for the table beside it; its fifty
    # steps, over which the cursor moves; single rows: of the run and its metric, its attempt, task, spark line, unit
    # and status, of what its ingest left out, and of how many series were searched for changes.
    for page, rows in ((runs, 114), (curves, 108)):
        assert "No loss" not in page
        assert re.findall(r"Read (\d+) rows", page) == [str(rows)]
