"""`strobe share` as a command: what it prints, and one line where something is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from etl.store.manage import rename_run
from strobe.cli import app
from strobe.commands.share import size_in_bytes
from tests.support.make_run import make_run


@pytest.mark.parametrize(
    ("text", "size"), [("25MB", 25_000_000), ("1.5 gb", 1_500_000_000), ("300kb", 300_000), ("42", 42)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "1e9", "25 MiB", "nan", "1TB"])
def test_another_size_is_one_line(text: str) -> None:
    with pytest.raises(StrobeError, match="is no size; give a number"):
        size_in_bytes(text)


def test_a_dry_run_prints_what_would_be_kept(tmp_path: Path) -> None:
    ingest([make_run(tmp_path / "grok-a", steps=(0, 100), layers=1)], tmp_path / "store")
    there = sorted(tmp_path.rglob("*"))
    words = [
        "share",
        "grok-a",
        "grok-a",
        "-o",
        str(tmp_path / "out"),
        "--store",
        str(tmp_path / "store"),
        "--dry-run",
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "  2 of 2 snapshots" in done.stdout
    assert "would take" in done.stdout
    assert "strobe analyze grok-a" in done.stderr
    said = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert [run["run"] for run in said["runs"]] == ["grok-a"]
    assert sorted(tmp_path.rglob("*")) == there


def test_an_unknown_run_is_one_line(tmp_path: Path) -> None:
    ingest([make_run(tmp_path / "grok-a", steps=(0,), layers=1)], tmp_path / "store")
    words = ["share", "grok-z", "-o", str(tmp_path / "out"), "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, StrobeError)
    assert "grok-z" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_html_is_one_file_that_fetches_nothing_and_escapes_names(tmp_path: Path) -> None:
    ingest([make_run(tmp_path / "grok-a", steps=(0, 100), layers=1)], tmp_path / "store")
    rename_run(Store(tmp_path / "store").run("grok-a").files, "grok-a", "<script>alert(1)</script>")
    words = ["share", "grok-a", "--html", str(tmp_path / "r.html"), "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "r.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert re.findall(r"(?:src|href)=.(?!data:)", text) == []
    assert text.count("data:image/svg+xml;base64,") == 2
    assert "val_loss" in text
    assert str(tmp_path) not in text
    again = CliRunner().invoke(app, words)
    assert "is there already" in str(again.exception)
    assert CliRunner().invoke(app, [*words, "--force"]).exit_code == 0


@pytest.mark.parametrize("more", [[], ["-o", "x", "--html", "y"]])
def test_a_folder_or_a_file_is_asked_for(more: list[str]) -> None:
    done = CliRunner().invoke(app, ["share", "grok-p97", *more])
    assert "either --out" in str(done.exception)
