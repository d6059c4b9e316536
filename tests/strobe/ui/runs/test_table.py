"""The table of runs on its page: what it shows, and what a link restores of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from etl.ingest.load import ingest
from strobe.ui.shell.writing import PARAMETER, TOKEN
from tests.support.app_store import grokking, log_only
from tests.support.components import given, table
from tests.support.make_run import make_run
from tests.support.places import ROOT


@pytest.fixture(autouse=True)
def _no_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strobe.settings.example_path", lambda: None)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    return lambda path: monkeypatch.setenv("STROBE_STORE", str(path))


def opened(**query: Any) -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / "runs.py"), default_timeout=30)
    at.query_params[PARAMETER] = TOKEN
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("table")
    grokking(root)
    ingest([make_run(root / "runs" / "second", steps=range(0, 601, 100), end="interrupted")], root / "store")
    return root / "store"


def test_what_a_run_lacks_is_a_dash(use, tmp_path: Path) -> None:
    path = grokking(tmp_path, steps=(0, 100))
    log_only(tmp_path, [{"step": k, "time": 1.0 + k, "train_loss": 1.0} for k in range(5)])
    use(path)
    shown = table(opened())
    assert sorted(row["val_loss"] == "–" for row in shown.values()) == [False, True]
    assert sorted(row["grokking"] for row in shown.values()) == ["not recorded", "unfinished"]


def test_accuracies_logged_as_percentages_are_shown_as_such(use, tmp_path: Path) -> None:
    for name, top in (("percent", 100.0), ("share", 1.0), ("neither", 130.0)):
        rows = [
            {"step": k, "time": 1.0 + k, "train_accuracy": top, "val_accuracy": 0.5 * top, "val_loss": 1.0}
            for k in range(8)
        ]
        log_only(tmp_path, rows, name)
    use(tmp_path / "store")
    shown = table(opened())
    assert {name: row["val_accuracy"] for name, row in shown.items()} == {
        "percent": "50.0%", "share": "50.0%", "neither": "65.00",
    }  # fmt: skip
    assert shown["neither"]["grokking"] == "scale not clear"


def test_a_link_restores_search_condition_order_and_columns(use, store: Path) -> None:
    use(store)
    at = opened(search="grok", where="steps > 100", sort="name", columns=["name", "max(val_loss)", "lr"])
    data = given(at, "runs")
    assert [row["name"] for row in data["rows"]] == ["grok-a"]
    assert data["words"]["said"] == "1 of 2 runs"
    assert data["sort"] == "name"
    assert "steps > 100" in at.query_params["where"]


def test_a_condition_that_means_nothing_is_said_and_every_run_is_shown(use, store: Path) -> None:
    use(store)
    at = opened(where="learning_rat > 1")
    assert len(given(at, "runs")["rows"]) == 2
    (warning,) = at.warning
    assert "did you mean" in warning.value


def test_a_diverged_run_says_since_when(use, tmp_path: Path) -> None:
    losses: list[Any] = [2.0, 1.0, "NaN", "NaN"]
    use(log_only(tmp_path, [{"step": 620 * k, "time": 1.0, "train_loss": loss} for k, loss in enumerate(losses)]))
    assert table(opened())["log-only"]["status"] == "diverged at 1,240"


def test_selected_runs_have_their_colours_in_order(use, store: Path) -> None:
    use(store)
    rows = {row["name"]: row["colour"] for row in given(opened(run=["second", "grok-a"]), "runs")["rows"]}
    assert rows == {"second": "#4477AA", "grok-a": "#EE6677"}


def test_the_spark_line_is_of_the_loss_that_there_is(use, tmp_path: Path) -> None:
    rows = [{"step": k, "time": 1.0, "my/loss": 10.0**-k, "loss_scale": 1.0} for k in range(5)]
    use(log_only(tmp_path, rows))
    spark = table(opened())["log-only"]["spark"]
    assert spark
    assert max(spark) == 0
