"""The health of a run in words, on faults that were recorded: views, page and command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from etl.ingest.load import ingest
from etl.store.catalogue import Store
from strobe.cli import app
from strobe.derive.filling.deriver import Deriver
from strobe.record import Recorder, TensorSpec
from strobe.views.filtering import MOST_ROWS
from strobe.views.health import Health, health
from strobe.views.health_moment import first_nonfinite, worst_at
from strobe.views.health_spread import levels, spread
from strobe.views.movement import band_shades, by_layer, furthest, has_layers, layer_rows
from strobe.views.run_view import Answer, CatalogueTables, RunView
from strobe.views.tensors import tensor_series
from tests.support.app_store import log_only
from tests.support.places import ROOT

STEPS = (0, 100, 200, 300, 400)


def record(folder: Path, gradients: bool = True, faults: bool = True, steps: tuple[int, ...] = STEPS) -> Path:
    """`good` learns; `still` never moves; `wild` explodes at 200 and 300; `lost` is NaN from 300 on."""
    names = ("good", "still", "wild", "lost") if faults else ("good",)
    params = {name: np.ones(8, np.float32) for name in names}
    grads = {name: np.full(8, 0.01, np.float32) for name in names}
    tensors = [(name, "params", ("unit",), params[name]) for name in names]
    tensors += [(name, "grads", ("unit",), grads[name]) for name in names] if gradients else []
    with Recorder(folder, tensors, queue=len(steps)) as recorder:
        for step in steps:
            for name in set(names) - {"still"}:
                params[name] *= 1.01
            if faults:
                grads["still"][:] = 0
                grads["wild"][:] = 1e3 if step in (200, 300) else 0.01
                params["lost"][0] = math.nan if step >= 300 else 1.0
            recorder.snapshot(step)
    return folder


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("health")
    runs = [record(root / "ill"), record(root / "sound", faults=False)]
    runs += [record(root / "bare", gradients=False, faults=False, steps=(0, 100))]
    ingest(runs, root / "store")
    log_only(root, [{"step": 0, "time": 1.0, "train_loss": 1.0}], "logged")
    store = Store(root / "store")
    for run in ("ill", "sound"):
        Deriver(store, store.run(run)).fill(["health", "health_tensors"])
    return root / "store"


def of(path: Path, run: str) -> Health:
    return health(CatalogueTables(Store(path).current()), run)


def test_every_trouble_is_named_since_when(path: Path) -> None:
    state = of(path, "ill")
    found = {(a.tensor, a.kind): (a.first_step, a.last_step, a.snapshots) for a in state.alerts}
    assert found == {
        ("still", "zero gradient"): (0, 400, 5),
        ("wild", "exploding gradient"): (200, 300, 2),
        ("lost", "weights not finite"): (300, 400, 2),
        ("still", "frozen"): (300, 400, 2),
    }
    assert state.sentence() == (
        "3 of 4 tensors at 5 snapshots in trouble: lost: weights not finite at step 300 to 400 (2 snapshots); wild: "
        "exploding gradient at step 200 to 300 (2 snapshots); still: frozen at step 300 to 400 (2 snapshots). Not "
        "finite first in params/lost at step 300."
    )


def test_a_sound_run_says_what_was_looked_at(path: Path) -> None:
    assert of(path, "sound").sentence() == (
        "No trouble in 1 tensor at 5 snapshots: every value is finite; no gradient vanishes or explodes; none is "
        "frozen."
    )


def test_what_could_not_be_looked_at_is_said(path: Path) -> None:
    assert of(path, "bare").sentence() == (
        "No trouble in 1 tensor at 2 snapshots: every value is finite. Not looked at: gradients were not recorded; "
        "whether one is frozen, which takes movements at 3 snapshots, and one has one."
    )


def test_a_zero_gradient_explains_and_is_no_trouble(tmp_path: Path) -> None:
    weights, gradient = np.ones(4, np.float32), np.zeros(4, np.float32)
    with Recorder(
        tmp_path / "idle", [("w", "params", ("u",), weights), ("w", "grads", ("u",), gradient)]
    ) as recorder:
        recorder.snapshot(0)
    ingest([tmp_path / "idle"], tmp_path / "store")
    assert (
        "no gradient vanishes or explodes; 1 gradient is zero at times." in of(tmp_path / "store", "idle").sentence()
    )


def test_a_run_without_statistics_cannot_tell(tmp_path: Path) -> None:
    with Recorder(tmp_path / "logs", []) as recorder:
        recorder.log(0, reward=1.0)
    ingest([tmp_path / "logs"], tmp_path / "store")
    assert of(tmp_path / "store", "logs").sentence().startswith("Health: cannot tell, the run has no statistics")


def test_the_worst_values_are_those_of_the_first_step(path: Path) -> None:
    values = {(a.tensor, a.kind): a.value for a in of(path, "ill").alerts}
    assert values["wild", "exploding gradient"] == pytest.approx(1e3 * math.sqrt(8))
    assert values["lost", "weights not finite"] == 1
    assert values["still", "frozen"] == 0


def test_what_is_not_finite_is_counted_in_whole_numbers(path: Path) -> None:
    said = {alert.kind: alert.measured for alert in of(path, "ill").alerts}
    assert said["weights not finite"] == "1"
    assert said["exploding gradient"] == "2,828"


def test_a_spread_is_over_what_is_finite(path: Path) -> None:
    tables = CatalogueTables(Store(path).current())
    assert spread(RunView(tables, "ill", STEPS), "update_ratio").partly == 2
    found = spread(RunView(tables, "sound", STEPS), "update_ratio")
    assert found.partly == 0  # that the first snapshot has none before it is no loss
    at_100 = {row["series"]: row["value"] for row in found.answer.table.to_pylist() if row["step"] == 100}
    assert at_100["median"] == pytest.approx(0.01 / 100, rel=1e-3)


def test_the_bands_colours_tell_below_inside_and_above() -> None:
    ratios = np.array([1e-4, 1e-3, 1e-2, 1e-7, 0.0, 10.0, 1e9, np.nan, np.inf, 10**-5.5])
    assert band_shades(ratios).tolist() == [88, 128, 168, 1, 1, 255, 255, 0, 0, 44]


def test_thresholds_and_the_usual_band_are_drawn_where_they_are() -> None:
    assert [(low, high) for low, high, _ in levels("update_ratio")] == [(1e-4, 1e-2)]
    assert [(low, high > 1e300) for low, high, _ in levels("gradient_l2")] == [(100.0, True), (0.0, False)]


def test_the_movement_of_a_layer_is_the_median_of_its_tensors(tmp_path: Path) -> None:
    factors = {(0, "a"): 1.1, (0, "b"): 1.2, (0, "c"): 1.5, (10, "a"): 1.1, (2, "a"): 1.2}
    arrays = {key: np.ones(4, np.float32) for key in factors}
    tensors = [
        TensorSpec(f"h.{k}.{name}", "params", ("u",), arrays[k, name], layer=k, group=f"h.{name}")
        for k, name in arrays
    ]
    with Recorder(tmp_path / "deep", [*tensors, ("wte", "params", ("u",), np.ones(2, np.float32))]) as recorder:
        recorder.snapshot(0)
        recorder.flush()
        for key, factor in factors.items():
            arrays[key] *= factor
        recorder.snapshot(2)
    ingest([tmp_path / "deep"], tmp_path / "store")
    view = RunView(CatalogueTables(Store(tmp_path / "store").current()), "deep", (0, 2))
    assert has_layers(view)
    answer = by_layer(view)
    assert layer_rows(answer) == ["layer 0", "layer 2", "layer 10", "wte"]
    found = {row["row"]: row["value"] for row in answer.table.to_pylist() if row["step"] == 2}
    assert found == pytest.approx({"layer 0": 0.1, "layer 2": 0.1, "layer 10": 0.05, "wte": 0.0}, rel=1e-5)


def test_the_first_number_that_is_not_finite_is_named(tmp_path: Path) -> None:
    weights, gradient = np.ones(4, np.float32), np.ones(4, np.float32)
    tensors = [("w", "params", ("u",), weights), ("w", "grads", ("u",), gradient)]
    with Recorder(tmp_path / "one", tensors, queue=3) as recorder:
        recorder.snapshot(0)
        recorder.flush()
        recorder.log(4, train_loss=math.nan)
        weights[0] = gradient[0] = math.inf
        recorder.snapshot(5)
    ingest([tmp_path / "one"], tmp_path / "store")
    found = first_nonfinite(CatalogueTables(Store(tmp_path / "store").current()), "one")
    assert found.sentence() == (
        "Not finite first in grads/w and 1 more at step 5; in the metric train_loss at step 4."
    )


def test_both_ends_at_a_step_are_named(path: Path) -> None:
    view = RunView(CatalogueTables(Store(path).current()), "ill", STEPS)
    rows = [(row["quantity"], row["end"], row["tensor"]) for row in worst_at(view, 200).table.to_pylist()]
    assert rows[0] == ("gradient", "largest", "wild")
    assert ("movement", "smallest", "good") in rows or ("movement", "largest", "good") in rows
    assert "still" not in {tensor for _, _, tensor in rows}, "what does not move at all is among the alerts"
    assert len(set(rows)) == len(rows)
    one = RunView(view.tables, "sound", STEPS)
    assert worst_at(one, 200).table.num_rows == 0, "one tensor has no ends"


def test_an_ingest_says_which_tensors_are_in_trouble(tmp_path: Path) -> None:
    record(tmp_path / "ill")
    said = CliRunner().invoke(app, ["ingest", str(tmp_path / "ill"), "--store", str(tmp_path / "store")])
    assert said.exit_code == 0
    assert "ill: 3 of 4 tensors at 5 snapshots in trouble: lost: weights not finite" in said.stderr
    again = CliRunner().invoke(app, ["ingest", str(tmp_path / "ill"), "--store", str(tmp_path / "store")])
    assert "trouble" not in again.output


def test_of_many_tensors_those_that_move_least_and_most_are_drawn() -> None:
    rows = [
        {"tensor": f"w{i:03}", "layer": None, "step": step, "value": 10.0 ** (-i / 20)}
        for i in range(MOST_ROWS + 30)
        for step in (1, 2)
    ]
    schema = pa.schema(
        [("tensor", pa.string()), ("layer", pa.int16()), ("step", pa.int64()), ("value", pa.float64())]
    )
    kept = furthest(tensor_series(Answer("", pa.Table.from_pylist(rows, schema))))
    half = MOST_ROWS // 2
    assert kept == [f"w{i:03}" for i in [*range(half), *range(half + 30, MOST_ROWS + 30)]]


def test_the_command_says_it_and_gives_the_rows(path: Path) -> None:
    said = CliRunner().invoke(app, ["show", "ill", "--store", str(path)])
    assert "health           3 of 4 tensors at 5 snapshots in trouble" in said.output
    facts = json.loads(CliRunner().invoke(app, ["show", "ill", "--store", str(path), "--json"]).output)
    assert {alert["tensor"] for alert in facts["health"]["alerts"]} == {"still", "wild", "lost"}


@pytest.mark.parametrize("run", ["ill", "sound", "bare", "logged"])
def test_the_page_says_it(path: Path, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = said(health_page(path, run, monkeypatch))
    assert of(path, run).sentence()[:40] in text
    assert ("st-alerts" in text) == (run == "ill")


def test_an_alert_is_a_link_to_its_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = health_page(path, "ill", monkeypatch)
    (table,) = [element.proto.body for element in at.get("html") if "st-alerts" in element.proto.body]
    assert '<a href="?run=ill&amp;step=200" data-run="ill" data-step="200">200</a>' in table
    assert table.count("<tr>") == 1 + len(of(path, "ill").alerts)


def test_that_adams_moments_were_not_recorded_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "recorded no moments of Adam" in said(health_page(path, "ill", monkeypatch))


def health_page(store: Path, run: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("STROBE_STORE", str(store))
    at: Any = AppTest.from_file(str(ROOT / "pages" / "health.py"), default_timeout=60)
    at.query_params["run"] = run
    at.run()
    assert not at.exception
    return at


def said(at: Any) -> str:
    return " ".join(element.proto.body for element in at.get("html"))
