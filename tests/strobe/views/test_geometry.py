"""The geometry of the classes a + b mod p as its panel asks for it, on a run that was made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from etl.checkpoints.run import open_run
from strobe.analysis.geometry import sum_classes
from strobe.derive.recorded_run import NotApplicableError
from strobe.views.geometry import ClassesPlan, circle_words, classes_at, classes_plan, over_training, sites
from strobe.views.run_view import RunView
from tests.support.planted import P, run_folder

STEPS = (0, 100, 200)


def plan_of(folder: Path, steps: tuple[int, ...] = STEPS) -> ClassesPlan | None:
    tables: Any = SimpleNamespace(
        key=("", ""), run=lambda run: SimpleNamespace(recording=lambda: open_run(folder or "nowhere"))
    )
    return classes_plan(RunView(tables, "planted", steps))


def planted(folder: Path) -> ClassesPlan:
    plan = plan_of(run_folder(folder))
    assert plan is not None
    return plan


def test_the_plan_says_what_it_would_cost_before_anything_is_computed(tmp_path: Path) -> None:
    plan = planted(tmp_path / "planted")
    assert (plan.p, plan.inputs, plan.steps, plan.too_many) == (P, P * P, list(STEPS), "")
    assert 0.3 < plan.seconds < 0.31
    assert sites(plan).names == ["after layer 0"]
    large = replace(plan, p=317)
    assert large.too_many == "Not computed: 100,489 inputs are more than the 100,000 that are run here."
    assert not replace(plan, p=316).too_many


def test_only_a_run_that_adds_and_has_snapshots_has_classes(tmp_path: Path) -> None:
    assert plan_of(run_folder(tmp_path / "words", task={"kind": "text"})) is None
    assert plan_of(run_folder(tmp_path / "planted"), ()) is None
    assert plan_of(tmp_path / "gone") is None


def test_a_model_without_a_forward_pass_says_so(tmp_path: Path) -> None:
    def check() -> None:
        raise NotApplicableError("no forward pass for this model")

    model: Any = SimpleNamespace(check=check)
    found = sites(replace(planted(tmp_path / "planted"), model=model))
    assert (found.names, found.reason) == ((), "Nothing to show for this run: no forward pass for this model.")


def test_measures_are_those_of_the_residual_stream(tmp_path: Path) -> None:
    plan = planted(tmp_path / "planted")
    (found,) = classes_at(plan, 100)
    expected = sum_classes(plan.model.forward(100).residual[0], P)._asdict()
    assert found == expected
    assert found["spread"] > 0


def test_a_damaged_snapshot_has_no_rows_and_what_is_not_defined_is_null(tmp_path: Path) -> None:
    plan = planted(tmp_path / "planted")
    (tmp_path / "planted" / "step_000100.bin").write_bytes(b"damaged")
    measured = {step: classes_at(plan, step) for step in STEPS}
    assert measured[100] == []
    answer = over_training(plan, measured, 0)
    assert answer is not None
    rows = answer.table.to_pylist()
    assert {row["step"] for row in rows} == {0, 200}
    for row in rows:
        value = measured[row["step"]][0][row["series"]]
        assert row["value"] == (pytest.approx(value) if np.isfinite(value) else None)
    assert answer.sql == "-- computed from the snapshots: the residual stream at “=”, for all inputs"
    assert over_training(plan, {step: [] for step in STEPS}, 0) is None


def test_a_circle_is_told_beside_what_noise_gets(tmp_path: Path) -> None:
    plan = planted(tmp_path / "planted")
    measured = {step: classes_at(plan, step) for step in STEPS}
    answer = over_training(plan, measured, 0)
    assert answer is not None
    words, last = circle_words(answer), measured[200][0]
    assert "Noise, 400 times: the same centroids in shuffled order, best of all frequencies" in words
    for name, spoken in (("alignment", "in order"), ("circularity", "circularity")):
        beyond = last[name] > last[f"{name}_bound"]
        assert 0 < last[f"{name}_noise"] < last[f"{name}_bound"] <= 1
        told = f"{spoken} {last[name]:.2f}, noise {last[f'{name}_noise']:.2f} on average, 95% below "
        assert f"{told}{last[f'{name}_bound']:.2f}: {'more than noise' if beyond else 'not told from noise'}" in words


def test_without_a_spread_there_is_nothing_to_tell(tmp_path: Path) -> None:
    plan = planted(tmp_path / "planted")
    empty: dict[str, float] = dict.fromkeys(classes_at(plan, 0)[0], float("nan"))
    answer = over_training(plan, {0: [empty], 100: [], 200: []}, 0)
    assert answer is not None
    assert circle_words(answer).endswith("At no step is there enough to tell.")
