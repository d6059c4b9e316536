"""The changes of a run in words: found ones, none, and what cannot be told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from etl.store.catalogue import Store
from strobe.cli import app
from strobe.derive.filling.deriver import Deriver
from strobe.views.run_view import CatalogueTables, RunView
from strobe.views.transitions import RULE, Transitions, transitions, words
from tests.support.app_store import log_only
from tests.support.places import ROOT

STEPS = 60


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """reward steps up at 300, noise does nothing, brief has 10 values; `unsearched` is not analysed."""
    root = tmp_path_factory.mktemp("transitions")
    noise = np.random.default_rng(0).standard_normal((2, STEPS))
    rows = [
        {
            "step": 10 * k, "time": 1.76e9 + k, "reward": 8.0 * (k >= 30) + noise[0, k], "noise": noise[1, k],
            **({"brief": float(k)} if k < 10 else {}),
        } for k in range(STEPS)
    ]  # fmt: skip
    for name in ("searched", "unsearched"):
        log_only(root, rows, name)
    store = Store(root / "store")
    Deriver(store, store.run("searched")).fill(["transitions"])
    return root / "store"


def of(path: Path, run: str) -> Transitions:
    return transitions(RunView(CatalogueTables(Store(path).current()), run))


def test_what_was_found_is_said_with_what_was_searched(path: Path) -> None:
    found = of(path, "searched")
    assert found.sentence() == (
        "1 change in 1 of 2 series that were searched; in 1 no change that can be told from drift; of 1 more one "
        "cannot tell (10 finite samples, and fewer than 20 cannot tell a change from drift). Not searched: heads and "
        "progress (the run has no snapshots to analyse)."
    )
    (row,) = found.table().to_pylist()
    assert (row["series"], row["change"]) == ("reward", "step up at 300")
    assert row["low"] <= 300 <= row["high"]
    assert row["effect"] == pytest.approx(8, abs=1)
    assert row["p"] < 0.05
    assert "4%" in RULE
    assert "at most 5%" in RULE


def test_a_run_that_was_not_searched_has_no_rows(path: Path) -> None:
    found = of(path, "unsearched")
    assert found.answer.table.num_rows == 0
    assert found.sentence() == "Changes: cannot tell, since the run has no series."


def test_changes_in_words() -> None:
    row = {"kind": "gradual", "step": 6578, "step_10": 6300, "step_90": 6855, "effect": -4.2}
    assert words(row) == "gradual fall from 6,300 to 6,855, midpoint 6,578"
    assert words(row | {"effect": 1.0}).startswith("gradual rise")
    assert words({"kind": "step", "step": 7050, "effect": -1.0}) == "step down at 7,050"


def test_the_terminal_and_the_page_say_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROBE_STORE", str(path))
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)
    sentence = of(path, "searched").sentence()
    shown = " ".join(CliRunner().invoke(app, ["show", "searched"]).output.split())
    assert sentence in shown
    assert "step up at 300" in shown
    assert "not looked for yet" in CliRunner().invoke(app, ["show", "unsearched"]).output
    assert sentence in page_text("searched")
    assert "strobe analyze unsearched" in page_text("unsearched")


def page_text(run: str) -> str:
    at = AppTest.from_file(str(ROOT / "pages" / "curves.py"), default_timeout=60)
    at.query_params["run"] = run
    at.run()
    assert not at.exception
    return "\n".join([*(element.proto.body for element in at.get("html")), *(c.value for c in at.caption)])
