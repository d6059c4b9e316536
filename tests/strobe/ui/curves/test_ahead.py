"""Curves of many runs are read by one query a metric, which gives each run what its own query would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views import curve_sql
from tests.support.make_run import make_run

RUNS = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of several lengths, with values that are not finite or not above zero."""
    root = tmp_path_factory.mktemp("ahead")
    made = []
    for run, end in zip(RUNS, (200, 5_200, 300, 400, 3), strict=True):
        folder = make_run(root / "runs" / run, steps=[0], layers=1, width=8, vocab=5)
        values = ["NaN" if k % 97 == 5 else ((k * 7_919) % 1_000) / 100 - 1 for k in range(end)]
        rows = [{"step": k, "time": 1.76e9 + k, "train_loss": value} for k, value in enumerate(values)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        made.append(folder)
    ingest(made, root / "store")
    return root / "store"


@pytest.fixture
def catalogue(store: Path) -> Any:
    return Store(store).current()


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("window", [None, (50.0, 3_000.0)])
def test_the_points_of_several_runs_are_those_of_each(catalogue: Any, log: bool, window: Any) -> None:
    rows = catalogue.query(curve_sql.curves(RUNS, "train_loss", log=log, window=window)).to_pylist()
    for run in RUNS:
        own = catalogue.query(curve_sql.curve(run, "train_loss", log=log, window=window)).to_pylist()
        assert [{k: v for k, v in row.items() if k != "run"} for row in rows if row["run"] == run] == own
    assert max(row["n"] for row in rows) > curve_sql.POINTS, "one of them is thinned"


def test_what_is_known_of_a_metric_is_known_of_several(catalogue: Any) -> None:
    rows = catalogue.query(curve_sql.metric_of(RUNS, "train_loss")).to_pylist()
    for run in RUNS:
        (own,) = catalogue.query(curve_sql.metric(run, "train_loss")).to_pylist()
        assert str({"run": run} | own) in list(map(str, rows))
