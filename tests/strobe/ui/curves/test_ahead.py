"""Curves of many runs are read by one query a metric, which gives each run what its own query would."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.ui.curves import ahead
from strobe.ui.shell.cache import holds, shared
from strobe.ui.shell.reader import Reader, by_run
from strobe.views import curve_sql
from strobe.views.curves import Curve, long_points
from strobe.views.readings import Cursor, Placed, reading_at
from strobe.views.run_view import CatalogueTables
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


@pytest.mark.parametrize("at", [0, 150, 201, 5_000, 10**9])
def test_the_rows_at_a_step_of_several_runs_are_those_of_each(catalogue: Any, at: int) -> None:
    rows = catalogue.query(curve_sql.rows_at(RUNS, "train_loss", at)).to_pylist()
    for run in RUNS:
        own = catalogue.query(curve_sql.row_at(run, "train_loss", at)).to_pylist()
        found = [{"step": row["step"], "value": row["value"]} for row in rows if row["run"] == run]
        assert str(found) == str(own)


def test_where_several_runs_end_is_where_each_does(catalogue: Any) -> None:
    rows = catalogue.query(curve_sql.last_steps(RUNS, "train_loss")).to_pylist()
    for run in RUNS:
        own = catalogue.query(curve_sql.last_places(run, "train_loss")).to_pylist()
        assert [{"x": row["x"]} for row in rows if row["run"] == run] == own


def test_every_point_of_several_runs_is_that_of_each(store: Path, catalogue: Any) -> None:
    reader = Reader(catalogue, str(store))
    page: Any = SimpleNamespace(of=reader.of)
    curves = [Curve(run, "train_loss", "train") for run in RUNS]
    ahead._whole(page, curves, "step")
    for curve in curves:
        assert holds(ahead.whole, reader.of(curve.run), curve, "step")
        tables = reader.of(curve.run)
        together, alone = ahead.whole(tables, curve, "step"), long_points(tables, curve, "step")
        for name in ("step", "x", "y"):
            np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))


@pytest.mark.parametrize("at", [0, 5, 150, 10**9])
def test_a_row_of_a_curve_that_is_kept_whole_is_the_recorded_one(store: Path, catalogue: Any, at: int) -> None:
    reader = Reader(catalogue, str(store))
    page: Any = SimpleNamespace(of=reader.of)
    curve = Curve("b", "train_loss", "test")
    assert ahead._kept_row(page, curve, at) is None
    ahead.whole(reader.of("b"), curve, "step")
    row = ahead._kept_row(page, curve, at)
    (asked,) = catalogue.query(curve_sql.row_at("b", "train_loss", at)).to_pylist()
    # At step 5 it is NaN, or an infinity: that is not kept, and is asked for.
    assert (row is None) == (at == 5)
    assert row is None or row.to_pylist() == [asked]
    shared().clear()


def test_a_row_at_hand_is_read_as_one_that_is_asked_for(catalogue: Any) -> None:
    tables = CatalogueTables(catalogue)
    rows = by_run(catalogue.query(curve_sql.rows_at(RUNS, "train_loss", 250)), RUNS)
    for run in RUNS:
        placed = Placed(Curve(run, "train_loss", ""))
        cursor = Cursor("a", (250,), "step", 0.0, (250.0,))
        given, asked = reading_at(tables, cursor, placed, rows[run]), reading_at(tables, cursor, placed)
        for name in ("step", "value", "state"):
            np.testing.assert_array_equal(getattr(given, name), getattr(asked, name))
