"""Figures of the embedded run: every panel in every format, named by run, view and step."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from etl.errors import StrobeError
from strobe.charts.figures import PANELS, SHEETS
from strobe.cli import app

MAGIC = {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STROBE_STORE", str(tmp_path / "store"))
    return tmp_path


def plot(*words: str) -> None:
    result = CliRunner().invoke(app, ["plot", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("panel", [*PANELS, *SHEETS])
def test_every_panel_of_the_embedded_run(here: Path, panel: str) -> None:
    plot(panel, "grok-p97", "--format", "svg")
    text = (here / f"grok-p97-{panel}.svg").read_text()
    assert text.startswith("<svg")
    assert "step" in text or panel == "embedding"


@pytest.mark.parametrize("kind", MAGIC)
def test_every_format_and_the_name_of_the_file(here: Path, kind: str) -> None:
    plot("embedding", "grok-p97", "--step", "7200", "--format", kind, "--out", "figures")
    assert (here / "figures" / f"grok-p97-embedding-step-7200.{kind}").read_bytes().startswith(MAGIC[kind])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["magic", "grok-p97"], "there are loss, accuracy"),
        (["loss", "grok-p97", "--format", "gif"], "there are png, svg, pdf"),
        (["loss", "nobody"], "no run 'nobody'"),
        (["embedding", "grok-p97", "--out", "grok"], ""),
    ],
)
def test_what_cannot_be_drawn_is_said(words: list[str], message: str) -> None:
    if not message:
        plot(*words)
        message = "--force"
    with pytest.raises(StrobeError, match=message):
        CliRunner().invoke(app, ["plot", *words], catch_exceptions=False)
