"""Transitions of a run whose scalars were planted: which column, which unit, which samples, beside which others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from strobe.analysis.change_points import change_points
from strobe.derive.transitions import NO_CHANGE, NOT_AMONG_SO_MANY, NOT_SEARCHED, UNEVEN
from strobe.derive.transitions import rows as transitions
from tests.support.duck import cursor


def logged(**series: Any) -> Any:
    """A catalogue of one run with these scalars, each (steps, values), and nothing else."""
    connection = cursor()
    tables = [
        pa.table({"run": ["r"] * len(steps), "name": [name] * len(steps), "step": steps, "value": values})
        for name, (steps, values) in series.items()
    ]
    connection.register("scalars", pa.concat_tables(tables))
    for table in (
        "progress (run VARCHAR, measure VARCHAR, split VARCHAR, frequency BIGINT, step BIGINT, value DOUBLE)",
        "heads (run VARCHAR, layer BIGINT, head BIGINT, step BIGINT, entropy DOUBLE, previous_token DOUBLE, "
        "first_token DOUBLE, diagonal DOUBLE, induction DOUBLE, max_weight DOUBLE)",
        "tensors (run VARCHAR, tensor VARCHAR, layer BIGINT, section VARCHAR, step BIGINT, l2 DOUBLE)",
    ):
        connection.execute(f"CREATE TEMP TABLE {table}")
    connection.execute("CREATE TEMP TABLE runs AS SELECT 'r' AS run, 'finished' AS status, '{}' AS config")
    connection.execute("CREATE TEMP TABLE metrics AS SELECT DISTINCT run, name, 0 AS nonfinite FROM scalars")
    return SimpleNamespace(
        query=lambda sql, values=None: connection.sql(sql, params=values).to_arrow_table(),
        run=lambda _: SimpleNamespace(folder=None),
    )


def changes(**series: Any) -> list[dict[str, Any]]:
    """The rows of its series."""
    return [row for row in transitions(logged(**series), "r") if row["kind"] not in ("milestone", NOT_SEARCHED)]


def test_tables_that_are_not_there_are_named() -> None:
    rows = [row for row in transitions(logged(loss=([0], [1.0])), "r") if row["kind"] == NOT_SEARCHED]
    assert [(row["series"], row["note"]) for row in rows] == [
        ("progress", "the snapshots are not on this machine"), ("heads", "the snapshots are not on this machine"),
    ]  # fmt: skip


def test_milestones_are_those_of_the_right_column() -> None:
    steps = np.arange(0, 2000, 100)
    loss = np.where(steps < 500, steps + 1.0, 600.0 - 25 * (steps - 500) / 100)
    loss[16:] = [80.0, 70, 60, 50]
    rows = transitions(
        logged(
            train_accuracy=(steps, (steps >= 300) * 1.0), val_accuracy=(steps, (steps >= 900) * 1.0),
            val_loss=(steps, loss),
        ), "r",
    )  # fmt: skip
    found = {row["rule"]: (row["series"], row["step"]) for row in rows if row["kind"] == "milestone"}
    assert found == {
        "training set known": ("train_accuracy", 300), "grokking onset": ("val_accuracy", 900),
        "peak": ("val_loss", 500), "80% below the peak": ("val_loss", 1600),
    }  # fmt: skip


def test_changes_are_of_log10_for_losses_and_of_finite_values() -> None:
    """A noisy loss that falls to a hundredth; a series that turns positive; each has values that do not count."""
    random, steps = np.random.default_rng(0), np.arange(0, 1200, 10)
    loss = 10 ** (np.where(steps < 600, 0.0, -2.0) + 0.3 * random.standard_normal(120))
    loss[[3, 70]] = 0, np.nan
    grad = np.where(steps < 400, -1.0, 1.0) + 0.1 * random.standard_normal(120)
    grad[90] = np.inf
    rows = changes(val_loss=(steps, loss), grad_norm=(steps, grad))
    rose, fell = rows
    assert (fell["rule"], rose["rule"]) == (
        "change of log10 of the value: p at most 0.04, false discoveries at most 0.05",
        "change of the value: p at most 0.04, false discoveries at most 0.05",
    )
    good = np.isfinite(loss) & (loss > 0)
    known = np.isfinite(grad)
    for row, series, x, values in (
        (fell, "val_loss", steps[good], np.log10(loss[good])),
        (rose, "grad_norm", steps[known], grad[known]),
    ):
        (expected,) = change_points(x, values).changes
        assert (row["series"], row["kind"], row["step"]) == (series, "step", expected.step)
        assert (row["effect"], row["effect_sd"], row["p"]) == (expected.effect, expected.effect_sd, expected.p)
        assert (row["step_low"], row["step_high"]) == (expected.step_low, expected.step_high)
        assert (row["step_10"], row["step_90"], row["model"]) == (None, None, expected.model)
        assert (row["samples"], row["series_searched"]) == (len(x), 2)
        assert row["note"] is None
    assert (fell["step"], rose["step"]) == (600, 400)


def test_a_gradual_change_is_told_by_its_middle_and_its_ends() -> None:
    steps = np.arange(0, 6000, 50)
    curve = 1 / (1 + np.exp(-(steps - 3000) * 2 * np.log(9) / 1000))
    (row,) = changes(val_accuracy=(steps, curve + 0.01 * np.random.default_rng(2).standard_normal(120)))
    assert (row["kind"], row["effect"]) == ("gradual", pytest.approx(1, rel=0.05))
    assert (row["step"], row["step_10"], row["step_90"]) == pytest.approx((3000, 2500, 3500), abs=50)
    assert row["step_low"] <= 3000 <= row["step_high"]


def test_a_series_without_a_change_says_what_it_came_to() -> None:
    """Learning rates and times are set or measured, and no part of learning."""
    random, steps = np.random.default_rng(1), np.arange(0, 600, 10)
    uneven = np.cumsum(np.where(np.arange(60) < 30, 10, 30))
    rows = {
        row["series"]: row for row in changes(
            learning_rate=(steps, (steps > 300) * 1.0), step_time_ms=(steps, (steps > 300) * 1.0),
            noise=(steps, random.standard_normal(60)), apart=(uneven, random.standard_normal(60)),
            few=(steps[:19], np.arange(19.0)), flat=(steps, np.full(60, 0.5)),
            reward=(steps, (steps > 300) + 0.01 * random.standard_normal(60)),
        )
    }  # fmt: skip
    assert {name: row["kind"] for name, row in rows.items()} == {
        "noise": "none", "apart": "none", "few": "cannot tell", "flat": "cannot tell", "reward": "step",
    }  # fmt: skip
    assert {row["series_searched"] for row in rows.values()} == {3}
    assert rows["noise"]["note"] == NO_CHANGE
    assert rows["apart"]["note"] == f"{NO_CHANGE}; {UNEVEN}"
    assert rows["few"]["note"].startswith("19 finite samples, and fewer than 20")
    assert rows["flat"]["note"] == "the series is constant"
    for name in ("noise", "apart"):
        assert "step" not in rows[name]
        assert rows[name]["p"] > 0.04
        assert rows[name]["model"]


def test_a_change_counts_only_beside_the_other_series() -> None:
    """A step of 2.5 deviations by itself, and among 60 series of noise."""
    random, steps = np.random.default_rng(4), np.arange(60)
    step = (steps, 2.5 * (steps >= 30) + random.standard_normal(60))
    (alone,) = changes(metric=step)
    assert (alone["kind"], alone["p"] < 0.04) == ("step", True)
    noise = {f"noise {i}": (steps, random.standard_normal(60)) for i in range(60)}
    among = next(row for row in changes(metric=step, **noise) if row["series"] == "metric")
    assert (among["kind"], among.get("step"), among["note"]) == ("none", None, NOT_AMONG_SO_MANY)
    assert among["p"] == pytest.approx(alone["p"])
    assert among["p_corrected"] > 0.05 >= alone["p_corrected"]
    assert among["series_searched"] == 61


def test_long_series_are_thinned_evenly_to_their_end() -> None:
    steps = np.arange(2000)
    values = np.where(steps < 1700, 0.0, 1.0) + 0.1 * np.random.default_rng(1).standard_normal(2000)
    (found,) = (row for row in transitions(logged(grad_norm=(steps, values)), "r") if "effect" in row)
    assert found["step"] == pytest.approx(1700, abs=8)
    assert {found[name] for name in ("step", "step_low", "step_high")} <= set(np.linspace(0, 1999, 400).round())
    assert found["step_low"] <= found["step"] <= found["step_high"]
    assert (found["samples"], found["note"]) == (400, None)
