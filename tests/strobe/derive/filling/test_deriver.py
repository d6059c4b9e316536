"""`strobe analyze`: right on a planted model, computed once, again where it is stale, whole after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from etl.errors import StrobeError
from etl.ingest.load import ingest
from etl.run.folder import Run
from etl.store.catalogue import Store
from etl.store.files import Files
from etl.store.pointer import read_pointer
from strobe.cli import app
from strobe.derive.analysis import SnapshotAnalysis
from strobe.derive.filling.deriver import Deriver
from strobe.derive.filling.staleness import stale
from strobe.derive.registry import ANALYSES
from strobe.plot.figures import make
from strobe.plot.request import Request
from tests.support.effort import tries
from tests.support.make_run import make_run
from tests.support.planted import HEADS, KEY, NEURONS, WIDTH, P, resume, run_folder

OF_OTHERS = {"compression", "findings", "passages", "samples"}
"""Tables of memorization studies and of texts alone."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    ingest([run_folder(tmp_path / "planted")], tmp_path / "store")
    return Store(tmp_path / "store")


def deriver(store: Store, run: str = "planted") -> Deriver:
    return Deriver(store, store.run(run))


def rows(store: Store, sql: str) -> list[dict]:
    return store.sql(sql).to_pylist()


def test_a_planted_frequency_is_found_in_every_table(store: Store) -> None:
    report = deriver(store).fill()
    of_snapshots = [
        table
        for table, analysis in ANALYSES.items()
        if isinstance(analysis, SnapshotAnalysis) and table not in OF_OTHERS
    ]
    of_series = {"transitions": 0, "health": 0, "health_tensors": 0}
    assert report.computed | of_series == dict.fromkeys(of_snapshots, 3) | of_series | {
        "loss_check": 0, "neuron_history": NEURONS,
    }  # fmt: skip
    assert set(report.skipped) == OF_OTHERS
    assert not report.bad
    top = rows(
        store, "SELECT DISTINCT arg_max(frequency, value) AS k FROM fourier WHERE site = 'embedding' GROUP BY step"
    )
    assert top == [{"k": KEY}]
    found = rows(
        store, "SELECT frequency, min(share) AS share, count(*) AS n FROM neurons WHERE step = 200 GROUP BY ALL"
    )
    assert [row["frequency"] for row in found] == [KEY]
    assert found[0]["n"] == NEURONS
    assert rows(store, "SELECT DISTINCT frequency FROM progress WHERE measure = 'excluded_loss' ORDER BY 1") == [
        {"frequency": KEY}, {"frequency": None},
    ]  # fmt: skip
    full = rows(store, "SELECT DISTINCT value FROM progress WHERE measure = 'full_loss'")
    assert [row["value"] for row in full] == [pytest.approx(np.log(P))]
    even = rows(store, "SELECT DISTINCT previous_token FROM heads")
    assert [row["previous_token"] for row in even] == [pytest.approx((1 / 2 + 1 / 3) / 2)]
    ranks = rows(store, "SELECT stable_rank FROM spectra WHERE tensor = 'attprojw' AND step = 200")
    assert [row["stable_rank"] for row in ranks] == [pytest.approx(WIDTH)]


def test_what_cannot_be_measured_is_null_with_a_reason(store: Store) -> None:
    deriver(store).fill()
    assert rows(store, "SELECT DISTINCT frequency, share, note FROM neurons WHERE step = 0") == [
        {"frequency": None, "share": None, "note": "the neuron does not vary over the inputs"}
    ]
    nothing = rows(store, "SELECT stable_rank, note FROM spectra WHERE tensor = 'fcw' AND step = 0")
    assert nothing == [{"stable_rank": None, "note": "all zero"}]
    assert rows(store, "SELECT DISTINCT induction, note FROM heads") == [
        {"induction": pytest.approx(1 / 3), "note": None}
    ]
    alpha = rows(store, "SELECT DISTINCT alpha, note FROM spectra WHERE tensor = 'wte'")
    assert alpha[0]["alpha"] is None
    assert "not enough eigenvalues" in alpha[0]["note"]


def test_a_second_run_computes_nothing_and_a_lost_part_only_itself(store: Store, tmp_path: Path) -> None:
    deriver(store).fill(steps=[0])
    deriver(store).fill()
    assert set(deriver(store).fill().computed.values()) == {0}
    pointer = read_pointer(Files(tmp_path / "store"), "planted")
    parts = pointer.tables["heads"]
    assert len(parts) == 2
    (tmp_path / "store" / parts[0].file).unlink()
    assert stale(store.run("planted"), "heads") == [0]
    again = deriver(store).fill(["heads", "spectra"])
    assert again.computed == {"heads": 1, "spectra": 0}
    assert rows(store, "SELECT count(*) AS n FROM heads") == [{"n": 3 * HEADS}]


def test_another_definition_or_other_bytes_are_stale(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deriver(store).fill()
    monkeypatch.setitem(ANALYSES, "heads", replace(ANALYSES["heads"], definition=2))
    assert stale(store.run("planted"), "heads") == [0, 100, 200]
    assert deriver(store).fill(["heads"]).computed == {"heads": 3}
    assert rows(store, "SELECT count(*) AS n, min(definition) AS d FROM heads") == [{"n": 3 * HEADS, "d": 2}]
    folder = tmp_path / "planted"
    (folder / "step_000200.bin").unlink()
    other = run_folder(tmp_path / "other", (100, 200))
    (other / "step_000100.bin").unlink()
    (folder / "step_000200.bin").write_bytes((other / "step_000200.bin").read_bytes())
    assert stale(store.run("planted"), "heads") == []
    assert deriver(store).fill().computed["heads"] == 0


def test_ingest_and_compact_keep_what_was_derived(store: Store, tmp_path: Path) -> None:
    deriver(store).fill(steps=[0, 100])
    deriver(store).fill()
    run_folder(tmp_path / "more", (0, 100, 200, 300))
    (tmp_path / "more" / "step_000300.bin").rename(tmp_path / "planted" / "step_000300.bin")
    assert stale(store.run("planted"), "heads") == []  # a page knows nothing yet of what a training has just written
    ingest([tmp_path / "planted"], tmp_path / "store")
    from etl.store.compact import compact

    compact(tmp_path / "store", "planted")
    assert stale(store.run("planted"), "heads") == [300]
    assert deriver(store).fill().computed["neurons"] == 1


def test_another_task_is_left_empty_with_a_reason(tmp_path: Path) -> None:
    ingest([run_folder(tmp_path / "text", task={"kind": "text"})], tmp_path / "store")
    store = Store(tmp_path / "store")
    report = deriver(store).fill()
    assert (report.computed["heads"], report.computed["spectra"]) == (3, 3)
    of_addition = {"fourier", "neurons", "progress", "coarseness", "neuron_history", "loss_check"}
    assert set(report.skipped) == of_addition | OF_OTHERS
    assert all("the task is text, not modular addition" in report.skipped[table] for table in of_addition)
    assert rows(store, "SELECT count(*) AS n FROM fourier") == [{"n": 0}]
    assert set(deriver(store).fill().computed.values()) == {0}


def test_a_resume_makes_its_step_stale_and_drops_what_it_cut_off(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "planted", (0, 100, 200, 300))
    ingest([folder], tmp_path / "store")
    store = Store(tmp_path / "store")
    deriver(store).fill()
    resume(folder, 200)
    ingest([folder], tmp_path / "store")
    assert stale(store.run("planted"), "heads") == [200, 300]
    report = deriver(store).fill()
    assert report.computed["heads"] == 1
    tables = ("spectra", "fourier", "heads", "neurons", "progress", "coarseness")
    assert report.dropped == dict.fromkeys(tables, 1)
    for table in tables:
        assert rows(store, f"SELECT DISTINCT step FROM {table} ORDER BY step") == [
            {"step": 0}, {"step": 100}, {"step": 200},
        ]  # fmt: skip
    first = rows(store, "SELECT DISTINCT step < 200 AS before, first_token = 1 AS first FROM heads ORDER BY ALL")
    assert first == [{"before": False, "first": True}, {"before": True, "first": False}]
    assert stale(store.run("planted"), "heads") == []
    again = deriver(store).fill()
    assert (set(again.computed.values()), again.dropped) == ({0}, {})


def test_rows_of_a_snapshot_that_was_thinned_away_stay(store: Store, tmp_path: Path) -> None:
    deriver(store).fill()
    (tmp_path / "planted" / "step_000100.bin").unlink()
    assert stale(store.run("planted"), "heads") == []
    deriver(store).fill()
    assert rows(store, "SELECT count(DISTINCT step) AS n FROM heads") == [{"n": 3}]


@pytest.mark.parametrize("step", [100, 200])
def test_a_damaged_snapshot_costs_itself_and_is_named(store: Store, tmp_path: Path, step: int) -> None:
    path = tmp_path / "planted" / f"step_{step:06}.bin"
    path.write_bytes(path.read_bytes()[:-1])
    report = deriver(store).fill(["heads", "neurons", "progress"])
    assert report.computed == {"heads": 2, "neurons": 2, "progress": 2}
    assert [what for what, _ in report.bad] == [f"step {step}"]
    assert stale(store.run("planted"), "progress") == []
    assert set(deriver(store).fill(["heads", "neurons", "progress"]).computed.values()) == {0}


@pytest.mark.parametrize("table", ["heads", "spectra"])
def test_no_row_is_made_of_flipped_bits(store: Store, tmp_path: Path, table: str) -> None:
    path = tmp_path / "planted" / "step_000100.bin"
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    path.write_bytes(data)
    report = deriver(store).fill([table])
    assert report.computed == {table: 2}
    assert [what.split()[-2:] for what, _ in report.bad] == [["step", "100"]]
    assert store.sql(f"SELECT DISTINCT step FROM {table} WHERE run = 'planted' ORDER BY step")[
        "step"
    ].to_pylist() == [0, 200]


def test_the_command(store: Store, tmp_path: Path) -> None:
    def call(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["analyze", "planted", "--store", str(store.path), *words])
        return result.exit_code, result.output

    assert call("--only", "heads", "--steps", "0-100/100")[1] == "planted heads: 2 snapshots computed\n"
    code, text = call("--json")
    assert code == 0
    assert json.loads(text)[0]["computed"]["heads"] == 1
    assert "planted heads: up to date" in call()[1]
    with pytest.raises(ValueError, match="no analysis 'magic'; there are spectra"):
        CliRunner().invoke(
            app, ["analyze", "planted", "--store", str(store.path), "--only", "magic"], catch_exceptions=False
        )


@pytest.mark.parametrize(
    ("table", "required"), [
        ("loss_check", ("progress",)), ("neuron_history", ("neurons",)), ("transitions", ("progress", "heads")),
    ],
)  # fmt: skip
def test_a_table_that_is_made_of_others_computes_those_first(
    store: Store, table: str, required: tuple[str, ...]
) -> None:
    made = deriver(store).fill([table])
    assert [made.computed[each] for each in required] == [3] * len(required)
    assert made.current == []
    assert rows(store, f"SELECT count(*) > 0 AS some FROM {table}") == [{"some": True}]
    assert set(deriver(store).fill([table]).current) == {table, *required}


def test_beside_other_tables_changes_are_looked_for_in_what_there_is(store: Store) -> None:
    made = deriver(store).fill(["spectra"], beside=["transitions"])
    assert set(made.computed) == {"spectra", "transitions"}
    assert rows(store, "SELECT series, note FROM transitions WHERE kind = 'not searched' ORDER BY series") == [
        {"series": name, "note": "not computed when the changes were looked for"} for name in ("heads", "progress")
    ]
    deriver(store).fill(["transitions"])
    assert rows(store, "SELECT series FROM transitions WHERE kind = 'not searched'") == []


def test_what_was_computed_and_found_nothing_is_not_up_to_date_until_it_is(store: Store) -> None:
    """The planted run logs no loss, so there is nothing to compare: each time that is said, with the reason."""
    call = ["analyze", "planted", "--store", str(store.path), "--only", "loss_check"]
    first, second = (CliRunner().invoke(app, call).output.splitlines() for _ in range(2))
    said = "; NULL in 12 of 12 rows: not logged at this step (12)"
    assert first[1] == f"planted loss_check: 0 logged values compared{said}"
    assert second[1] == f"planted loss_check: up to date{said}"
    assert second[0].startswith("planted progress: up to date")
    (report,) = json.loads(CliRunner().invoke(app, [*call, "--json"]).output)
    assert report["nulls"]["loss_check"] == {"null": 12, "rows": 12, "reasons": {"not logged at this step": 12}}


def test_a_damaged_snapshot_is_never_up_to_date(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "planted" / "step_000100.bin"
    path.write_bytes(path.read_bytes()[:-1])
    deriver(store).fill(["heads"])
    assert deriver(store).fill(["heads"]).current == []


@pytest.mark.parametrize("kills", [1, pytest.param(40, marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path, kills: int) -> None:
    steps = tuple(range(0, 2400 if kills > 1 else tries(800, 2400), 100))
    ingest([run_folder(tmp_path / "planted", steps)], tmp_path / "store")
    command = [sys.executable, "-m", "strobe.cli", "analyze", "planted", "--store", str(tmp_path / "store")]
    code = "from strobe.cli import main; import sys; sys.argv = sys.argv[:1] + sys.argv[2:]; main()"
    command[1:3] = ["-c", code, "x"]
    for kill in range(kills):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.6 + 0.05 * (kill % 20))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        for table in ANALYSES:
            Store(tmp_path / "store").sql(f"SELECT * FROM {table}")
    deriver(Store(tmp_path / "store")).fill()
    ingest([run_folder(tmp_path / "calm" / "planted", steps)], tmp_path / "calm" / "store")
    deriver(Store(tmp_path / "calm" / "store")).fill()
    for table in ANALYSES:
        sql = f"SELECT * FROM {table} ORDER BY ALL"
        assert Store(tmp_path / "store").sql(sql).equals(Store(tmp_path / "calm" / "store").sql(sql))


def test_what_can_never_be_is_said_by_analyses_and_figures(tmp_path: Path) -> None:
    bare = make_run(tmp_path / "bare")
    for path in Run(bare).current().values():
        (bare / path).unlink()
    ingest([run_folder(tmp_path / "text", task={"kind": "text"}), bare], tmp_path / "store")
    store = Store(tmp_path / "store")
    for run, panel, reason in (
        ("planted", "fourier", "not modular addition"), ("bare", "heads", "no snapshots"),
        ("bare", "attention", "recorded no snapshots"),
    ):  # fmt: skip
        with pytest.raises(StrobeError, match=reason):
            make(panel, Request(store, [run]))
    report = Deriver(store, store.run("bare")).fill()
    assert not {"spectra", "heads", "fourier"} & set(report.computed)
    assert report.skipped["spectra"] == "the run has no snapshots to analyse"
    with pytest.raises(StrobeError, match="at those steps; the run has 3: from 0 to 200"):
        deriver(store).fill(steps=[7])


def test_only_transitions_that_were_reached_are_counted(tmp_path: Path) -> None:
    ingest([make_run(tmp_path / "text")], tmp_path / "store")
    store = Store(tmp_path / "store")
    found = Deriver(store, store.run("text")).fill(["transitions"]).computed["transitions"]
    steps = store.sql("SELECT step FROM transitions WHERE run = 'text'")["step"]
    assert steps.null_count > 0
    assert found == len(steps) - steps.null_count
