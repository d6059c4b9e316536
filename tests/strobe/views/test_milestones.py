"""One onset and one peak, whoever asks: the page, the printed figure, the stored table and the list of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.analysis.loss_peak import Peak, Rebound
from strobe.analysis.onset_answer import Answer, Onset
from strobe.derive.filling.deriver import Deriver
from strobe.plot.request import Request
from strobe.views.milestones import ONSET_RULE, PEAK_RULE, Milestones, milestones, onsets
from strobe.views.run_view import CatalogueTables
from tests.support.app_store import grokking, log_only
from tests.support.make_run import make_run

ONSET, PEAK = 880, 336
RUNS = ("grok-a", "second")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """grok-a groks; second is interrupted before it does; nothing is analysed."""
    root = tmp_path_factory.mktemp("milestones")
    grokking(root)
    ingest([make_run(root / "runs" / "second", steps=range(0, 601, 100), end="interrupted")], root / "store")
    return Store(root / "store")


@pytest.fixture(scope="module")
def analysed(before: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The same two runs as `strobe analyze` leaves them, of few snapshots and with every eighth row of their logs."""
    root = tmp_path_factory.mktemp("analysed")
    make_run(root / "runs" / "grok-a", steps=(0, 1500), layers=1, vocab=97, metrics_every=8)
    make_run(root / "runs" / "second", steps=(0, 600), metrics_every=8, end="interrupted")
    ingest([root / "runs"], root / "store")
    store = Store(root / "store")
    for run in RUNS:
        Deriver(store, store.run(run)).fill(["transitions"])
    return store


def of(store: Store, run: str) -> Milestones:
    return milestones(CatalogueTables(store.current()), run)


def stored(store: Store, run: str) -> dict[str, tuple[int | None, str]]:
    """Rule -> (step, note) of the milestones in the table."""
    rows = store.sql(
        "SELECT rule, step, note FROM transitions WHERE run = $1 AND kind = 'milestone'", [run]
    ).to_pylist()
    return {row["rule"]: (row["step"], row["note"]) for row in rows}


def test_a_run_that_groks(before: Store) -> None:
    found = of(before, "grok-a")
    assert found.onset is not None
    assert found.peak is not None
    assert (found.onset.step, found.peak.step) == (ONSET, PEAK)
    assert [(tick["step"], tick["kind"]) for tick in found.ticks()] == [(PEAK, "peak"), (ONSET, "onset")]
    assert found.sentence().startswith(
        "Grokking onset at step 880; the training set was known from step 100, when validation accuracy was 0.000"
    )
    assert [tick["rule"] for tick in found.ticks()] == [PEAK_RULE, ONSET_RULE]
    assert found.rules() == f"{ONSET_RULE} {PEAK_RULE}"


def test_a_run_that_does_not_grok_says_why(before: Store) -> None:
    found = of(before, "second")
    assert found.onset is not None
    assert found.onset.step is None
    assert found.onset.sentence in found.sentence()
    assert found.onset.sentence.endswith("; the run was interrupted at step 600.")
    assert [tick for tick in found.ticks() if tick["kind"] == "onset"] == []


@pytest.mark.parametrize("run", RUNS)
def test_the_table_stores_what_the_page_marks(analysed: Store, run: str) -> None:
    found, rows = of(analysed, run), stored(analysed, run)
    assert found.onset is not None
    assert found.peak is not None
    assert {rule: step for rule, (step, _) in rows.items()} == {
        "training set known": found.onset.fitted, "grokking onset": found.onset.step,
        "peak": found.peak.step, "80% below the peak": found.peak.fallen,
    }  # fmt: skip
    assert rows["grokking onset"][1] == found.onset.sentence


@pytest.mark.parametrize("run", RUNS)
def test_the_figure_marks_what_the_page_marks_before_and_after_analysis(
    before: Store, analysed: Store, run: str
) -> None:
    ticks = [tick["step"] for tick in of(before, run).ticks() if tick["kind"] == "onset"]
    assert ticks == ([ONSET] if run == "grok-a" else [])
    for store in (before, analysed):
        assert [mark.x for mark in Request(store, [run]).onset()] == ticks
        assert [mark.label for mark in Request(store, [run]).onset()] == [f"onset {step:,}" for step in ticks]


def test_a_figure_of_two_runs_marks_neither(before: Store) -> None:
    assert Request(before, RUNS).onset() == []


def test_all_runs_at_once_have_the_onsets_that_each_has(before: Store) -> None:
    assert onsets(CatalogueTables(before.current())) == {run: of(before, run).onset for run in RUNS}


def test_no_test_metric_is_an_answer(tmp_path: Path) -> None:
    store = Store(log_only(tmp_path, [{"step": k, "time": 1.0, "train_loss": 1.0} for k in range(5)]))
    assert store.sql("SELECT name, n FROM metrics").to_pylist() == [{"name": "train_loss", "n": 5}]
    found = of(store, "log-only")
    assert found.onset is not None
    assert (found.onset.answer, found.peak, found.ticks(), found.rules()) == (Answer.NOT_RECORDED, None, [], "")
    assert found.sentence() == (
        "Grokking onset: none (not recorded): its log has no train_accuracy and no val_accuracy; its 1 metric is no "
        "accuracy."
    )
    assert onsets(CatalogueTables(store.current())) == {"log-only": found.onset}


def test_words_of_a_peak_that_stays_and_of_a_rebound() -> None:
    peak = Peak(336, 9.0, None, rebound=Rebound(5000, 0.0154, 7000, 0.0493))
    never = Milestones(Onset(Answer.NEVER, fitted=100, reason="it stays low"), peak)
    assert never.sentence() == (
        "Grokking onset: none (never reached): it stays low. "
        "Test loss peaks at 9.00 at step 336, never 80% below it afterwards. "
        "It falls to 0.0154 at step 5,000, rebounds to 0.0493 at step 7,000 and never groks."
    )
    assert Milestones(Onset(Answer.GROKKED, 1200, 100), peak).sentence().endswith("rebounds to 0.0493 at step 7,000.")
    assert Milestones(None, peak).ticks() == [], "a loss that never fell has no peak to mark"
