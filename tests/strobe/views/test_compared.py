"""Runs on the same axes: what each panel draws, what each run lacks, and what is said instead of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.record import Recorder
from strobe.views.compared import KEYS, Laid, Panel, panels
from strobe.views.results import NOT_RECORDED, Price, Row, not_recorded, results
from strobe.views.run_use import RunUse, run_use
from strobe.views.run_view import CatalogueTables, RunView
from tests.support.llm_logs import N_PARAMS, SHAPE, falling, llmc, loss_alone, training_logger

TOKENS = 6 * 2048 * 32


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunUse]:
    root = tmp_path_factory.mktemp("logs")
    files = [
        training_logger(root, "llama"), llmc(root, "gpt", lost_from=700), loss_alone(root, "bare"),
        training_logger(root, "short", steps=100),
    ]  # fmt: skip
    ingest(files, root / "store")
    tables = CatalogueTables(Store(root / "store").current())
    return {run: run_use(RunView(tables, run)) for run in tables.catalogue.names()}


def drawn(uses: dict[str, RunUse], laid: Laid | None = None) -> dict[str, Panel]:
    return {panel.key: panel for panel in panels(list(uses.values()), laid or Laid())}


def cells(rows: list[Row], k: int) -> dict[str, str]:
    return {row.name: row.cells[k].text for row in rows}


def test_six_panels_of_what_there_is(uses: dict[str, RunUse]) -> None:
    found = drawn(uses)
    assert tuple(found) == KEYS
    loss = {(line.run, line.word): line for line in found["loss"].lines}
    assert loss["llama", ""].y[0] == pytest.approx(falling(0))
    assert loss["llama", "validation"].points
    assert not found["loss"].perplexity, "of one of them nobody knows what its loss is measured in"
    assert drawn({run: use for run, use in uses.items() if run != "bare"})["loss"].perplexity
    assert not found["loss"].log


def test_what_one_run_lacks_costs_no_other(uses: dict[str, RunUse]) -> None:
    found = drawn(uses)
    assert {line.run for line in found["mfu"].lines} == {"gpt", "llama", "short"}
    assert any(remark.startswith("bare: no MFU was logged") for remark in found["mfu"].remarks)
    assert any("bare" in remark and "no memory was logged" in remark for remark in found["memory"].remarks)
    assert "bare: no target, since its number of parameters is not known." in found["tokens"].remarks


def test_no_perplexity_of_a_loss_whose_unit_nobody_knows(uses: dict[str, RunUse]) -> None:
    why = "what the loss is measured in is not known; a setting loss='cross_entropy' says that it is in nats"
    assert f"bare: no perplexity, since {why}." in drawn(uses)["loss"].remarks
    (row,) = [row for row in results([uses["bare"]]) if row.name == "perplexity, last validation"]
    assert row.cells[0].value is None


@pytest.mark.parametrize(
    ("setting", "shown"), [({}, False), ({"loss": "mse"}, False), ({"loss": "cross_entropy"}, True)]
)
def test_a_run_may_say_that_its_loss_is_in_nats(tmp_path: Path, setting: dict[str, str], shown: bool) -> None:
    with Recorder(tmp_path / "run", [], training=setting) as recorder:
        for step in range(3):
            recorder.log(step, train_loss=2.0, val_loss=1.0)
    ingest([tmp_path / "run"], tmp_path / "store")
    use = run_use(RunView(CatalogueTables(Store(tmp_path / "store").current()), "run"))
    assert (use.no_perplexity == "") == shown
    text = cells(results([use]), 0)["perplexity, last validation"]
    assert (text == f"{math.e:.3f}") == shown


def test_a_run_that_diverged_says_since_when(uses: dict[str, RunUse]) -> None:
    assert "gpt: train loss not finite from step 700 on." in drawn(uses)["loss"].remarks
    table = results([uses["gpt"]])
    assert cells(table, 0)["status"] == "diverged at 700"
    assert "at step 699" in cells(table, 0)["train loss, last"]


def test_a_learning_rate_that_was_not_logged_is_recomputed_and_marked(uses: dict[str, RunUse]) -> None:
    panel = drawn(uses)["learning_rate"]
    line = next(line for line in panel.lines if line.run == "llama")
    assert (line.word, line.dash) == ("recomputed", True)
    assert float(np.interp(100, line.step, line.y)) == pytest.approx(SHAPE["learning_rate"] * 101 / 201, rel=1e-6)
    moments = {moment.run: moment for moment in panel.moments}
    assert moments["llama"].x == SHAPE["warmup_iters"]
    assert moments["gpt"].x == 100
    assert any("short: not logged; recomputed" in r and "within its warm-up" in r for r in panel.remarks)
    assert any("bare: no learning rate was logged" in r and "warmup_iters" in r for r in panel.remarks)


def test_counted_tokens_are_marked_and_a_far_target_is_said(uses: dict[str, RunUse]) -> None:
    panel = drawn(uses)["tokens"]
    line = next(line for line in panel.lines if line.run == "llama")
    assert line.word == "counted"
    assert line.y[-1] == pytest.approx(1000 * TOKENS / 1e6)
    assert any("25.9 B (20 a parameter), above this panel" in r and "llama" in r for r in panel.remarks)
    near = drawn(uses, Laid(per_parameter=0.5))["tokens"]
    assert any(rule.y == pytest.approx(N_PARAMS / 2e6) for rule in near.rules)


def test_memory_stands_beside_what_the_device_has(uses: dict[str, RunUse]) -> None:
    panel = drawn(uses)["memory"]
    assert any(rule.y == pytest.approx(85.1) and rule.run == "" for rule in panel.rules)
    assert cells(results([uses["llama"]]), 0)["memory, most"] == "36.1 GB of 85.1 GB"


@pytest.mark.parametrize(
    ("axis", "left_out"), [("step", set()), ("tokens", {"bare"}), ("time", {"bare"}), ("onset", {"all"})]
)
def test_runs_without_a_place_on_the_axis_are_left_out_by_name(
    uses: dict[str, RunUse], axis: str, left_out: set[str]
) -> None:
    panel = drawn(uses, Laid(axis=axis))["loss"]  # type: ignore[arg-type]
    there = {line.run for line in panel.lines}
    assert there == (set() if left_out == {"all"} else set(uses) - left_out)
    for run in set(uses) - there:
        assert any(run in remark and "left out" in remark for remark in panel.remarks)


def test_on_the_axis_of_time_rows_stand_where_their_clock_was(uses: dict[str, RunUse]) -> None:
    line = next(line for line in drawn(uses, Laid(axis="time"))["loss"].lines if line.run == "llama")
    assert line.x[list(line.step).index(500.0)] == pytest.approx(500 * 8.0 / 3600)


def test_at_the_onset_x_is_0(uses: dict[str, RunUse]) -> None:
    laid = Laid(axis="onset", onsets=dict.fromkeys(uses, 50))
    line = next(line for line in drawn(uses, laid)["loss"].lines if line.run == "bare")
    assert (line.x == line.step - 50).all()


def test_the_results_hold_what_the_logs_come_to(uses: dict[str, RunUse]) -> None:
    row = cells(results([uses["llama"]]), 0)
    assert row["perplexity, last validation"] == f"{math.exp(falling(1000) + 0.05):.2f}"
    assert row["MFU, mean"] == "34.6%, 69.2% recomputed"
    assert row["tokens/s, mean"] == "49,152"
    assert (row["time of a step, median"], row["time of a step, 99%"]) == ("8.00", "8.00")
    assert row["time"] == "2 h 13 min"


def test_evaluations_are_told_from_the_data(uses: dict[str, RunUse]) -> None:
    times = uses["llama"].times
    assert (times.counted, times.left_out) == (95, 6)


def test_a_price_gives_costs(uses: dict[str, RunUse]) -> None:
    rows = results([uses["llama"], uses["gpt"], uses["bare"]], Price(2.0))
    assert cells(rows, 0)["cost a day"] == "96.00"
    assert cells(rows, 0)["cost"] == f"{2.0 * 2 * 8000 / 3600:.2f}"
    assert rows[-1].cells[1].more == "1 device, as nothing else is known"
    assert cells(rows, 2)["cost"] == NOT_RECORDED


def test_what_is_not_recorded_has_its_reason(uses: dict[str, RunUse]) -> None:
    (said,) = not_recorded(results([uses["bare"]]), ["bare"])
    for words in ("validation loss, last (no validation loss was logged)", "memory, most (no memory was logged)"):
        assert words in said


def test_no_run_is_no_error() -> None:
    assert [panel.key for panel in panels([], Laid())] == list(KEYS)
