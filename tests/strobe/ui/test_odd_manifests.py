"""Pages and commands over runs whose manifest does not fit their tensors: no exception, whatever is odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.cli import app
from strobe.derive.filling.deriver import Deriver
from strobe.plot.figures import PANELS
from tests.support.effort import IN_CI, UNLESS_IN_CI
from tests.support.odd_manifests import odd_run
from tests.support.places import ROOT

PAGES = ("attention", "fourier", "embeddings", "weights", "curves", "runs")
FEW = None if IN_CI else 1
"""How many pages and panels the one seed of a run by hand goes through."""
SEVERAL = [
    pytest.param((14,)),
    *(pytest.param(range(first, 60, 6), marks=UNLESS_IN_CI) for first in range(0, 2)),
    *(pytest.param(range(first, 60, 6), marks=pytest.mark.slow) for first in range(2, 6)),
]
"""Seeds: one that can be read, and has tokens that do not belong to its attention; some in CI; and the rest."""


def stored(root: Path, seed: int) -> Path | None:
    """The store of a run, analysed; None where the run is refused."""
    odd_run(root / "odd", seed)
    try:
        ingest([root / "odd"], root / "store")
    except StrobeError:
        return None
    store = Store(root / "store")
    Deriver(store, store.run("odd")).fill()
    return root / "store"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seeds", SEVERAL)
def test_no_page_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    shown = 0
    for seed in seeds:
        if (store := stored(tmp_path / str(seed), seed)) is None:
            continue
        monkeypatch.setenv("STROBE_STORE", str(store))
        for page in PAGES[: FEW if len(seeds) == 1 else None]:
            at = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60).run()
            assert not at.exception, (seed, page, at.exception[0].message)
        shown += 1
    assert shown


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seeds", SEVERAL)
def test_no_command_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    monkeypatch.chdir(tmp_path)
    commands = [
        ["show", "odd"], ["plot", "attention", "odd"], ["show", "odd", "--json"], ["plot", "--list", "odd"],
        ["export", "csv", "odd"], *(["plot", panel, "odd", "--force"] for panel in PANELS),
        *(["export", "gif", subject, "odd", "--force"] for subject in ("attention", "embedding", "weights")),
    ]  # fmt: skip
    for seed in seeds:
        if (store := stored(tmp_path / str(seed), seed)) is None:
            continue
        for words in commands[: 2 if FEW and len(seeds) == 1 else None]:
            result = CliRunner().invoke(app, [*words, "--store", str(store)])
            assert result.exception is None or isinstance(result.exception, StrobeError | SystemExit), (seed, words)
            assert result.exit_code in (0, 1), (seed, words, result.output)
