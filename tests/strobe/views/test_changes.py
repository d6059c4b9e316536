"""What changed around a moment, on series whose change is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.views import changes
from strobe.views.run_view import Answer, CatalogueTables, RunView, snapshot_steps
from tests.support.make_run import make_run


def answer_of(**series: tuple[str, list[float]]) -> Answer:
    """Series by name: their kind, and their values at steps 0, 100, 200, ..."""
    rows = [
        {"kind": kind, "series": name, "step": 100 * k, "value": value}
        for name, (kind, values) in sorted(series.items())
        for k, value in enumerate(values)
    ]
    return Answer("SELECT", pa.Table.from_pylist(rows))


def test_what_moved_farthest_in_its_own_spread_comes_first() -> None:
    noise = np.random.default_rng(0).normal(size=48)
    table = changes.ranking(
        answer_of(
            jump=("head", list(noise + 6.0 * (np.arange(48) >= 20))),
            step=("norm", [1.0] * 20 + [3.0] * 28),
            calm=("norm", list(noise)),
            short=("norm", list(noise[:21])),
            flat=("norm", [1.0] * 48),
        ),
        2000,
    )
    assert table.column_names == ["kind", "what", "before", "after", "effect", "times", "verdict"]
    rows = {row["what"]: row for row in table.to_pylist()}
    # What does not move at all has no place.
    assert table["what"].to_pylist() == ["step", "jump", "calm", "short"]
    step = rows["step"]
    assert (step["before"], step["after"], step["verdict"]) == (1, 3, "stands out (still elsewhere)")
    assert rows["jump"]["effect"] == pytest.approx(6, abs=2)
    assert [rows[name]["verdict"] for name in ("jump", "calm", "short")] == [
        "stands out", "as elsewhere", "cannot tell",
    ]  # fmt: skip
    assert rows["short"]["times"] is None
    assert changes.of_kind(table, "head")["what"].to_pylist() == ["jump"]
    assert changes.of_kind(table, "all") is table
    about = changes.about(table, 2)
    assert about.startswith(
        f"2 of 4 series. {changes.RULE} 2 of 3 series stand out; of random ones up to 4.4% do, here 0."
    )
    assert "Of 1 it cannot be told" in about


def test_what_cannot_be_told_stands_in_its_order_and_says_so_once() -> None:
    short = answer_of(**{f"norm of w.{layer}": ("norm", [1.0, 2.0]) for layer in (0, 1, 2, 10, 11)})
    table = changes.ranking(short, 100)
    assert table["what"].to_pylist() == [f"norm of w.{layer}" for layer in (0, 1, 2, 10, 11)]
    assert changes.about(table, 12).startswith("Of none of 5 series it can be told: too few snapshots on a side")


def test_without_series_there_is_nothing_to_rank() -> None:
    empty = pa.table({"kind": pa.array([], pa.string()), "series": pa.array([], pa.string()),
                      "step": pa.array([], pa.int64()), "value": pa.array([], pa.float64())})  # fmt: skip
    assert changes.ranking(Answer("SELECT", empty), 100).num_rows == 0


def test_a_run_that_is_not_analysed_has_norms_and_says_why_no_heads(tmp_path: Path) -> None:
    ingest([make_run(tmp_path / "runs" / "two")], tmp_path / "store")
    tables = CatalogueTables(Store(tmp_path / "store").current())
    view = RunView(tables, "two", snapshot_steps(tables, "two"))
    answer = changes.series(view)
    assert set(answer.table["kind"].to_pylist()) == {"norm"}
    assert "norm of fcw.1" in answer.table["series"].to_pylist()
    assert changes.why_none(view, "head").startswith("This run has no rows in heads: `strobe analyze two` fills it")
    assert "no series moves" in changes.why_none(view, "norm")
    # Three snapshots are too few to tell, which is said of each series.
    assert set(changes.ranking(answer, 100)["verdict"].to_pylist()) == {"cannot tell"}
