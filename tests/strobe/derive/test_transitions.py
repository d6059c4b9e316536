"""Transitions of a run whose scalars were planted: which column, which unit, which samples."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from strobe.analysis.change_points import change_points
from strobe.derive.transitions import rows as transitions


def logged(**series: Any) -> Any:
    """A catalogue of one run with these scalars, each (steps, values), and nothing else."""
    connection = duckdb.connect()
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
        connection.execute(f"CREATE TABLE {table}")
    connection.execute("CREATE TABLE runs AS SELECT 'r' AS run, 'finished' AS status, '{}' AS config")
    connection.execute("CREATE TABLE metrics AS SELECT DISTINCT run, name, 0 AS nonfinite FROM scalars")
    return SimpleNamespace(query=lambda sql, values=None: connection.sql(sql, params=values).to_arrow_table())


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
    found = {row["rule"]: (row["series"], row["step"]) for row in rows if row.get("effect") is None}
    assert found == {
        "training set known": ("train_accuracy", 300), "grokking onset": ("val_accuracy", 900),
        "peak": ("val_loss", 500), "80% below the peak": ("val_loss", 1600),
    }  # fmt: skip


def test_change_points_are_of_log10_for_losses_and_of_finite_values() -> None:
    """A noisy loss that falls to a hundredth; a series that turns positive; each has values that do not count."""
    random, steps = np.random.default_rng(0), np.arange(0, 1200, 10)
    loss = 10 ** (np.where(steps < 600, 0.0, -2.0) + random.standard_normal(120))
    loss[[3, 70]] = 0, np.nan
    grad = np.where(steps < 400, -1.0, 1.0) + 0.1 * random.standard_normal(120)
    grad[90] = np.inf
    rows = transitions(logged(val_loss=(steps, loss), grad_norm=(steps, grad)), "r")
    (fell,) = (row for row in rows if row["rule"] == "change-point of log10")
    (rose,) = (row for row in rows if row["rule"] == "change-point")
    good = np.isfinite(loss) & (loss > 0)
    known = np.isfinite(grad)
    for row, series, x, values in (
        (fell, "val_loss", steps[good], np.log10(loss[good])),
        (rose, "grad_norm", steps[known], grad[known]),
    ):
        (expected,) = change_points(x, values)
        assert (row["series"], row["step"], row["effect"]) == (series, expected.step, pytest.approx(expected.effect))
        assert (row["step_low"], row["step_high"]) == (expected.step_low, expected.step_high)
    assert fell["step_low"] < fell["step"] < fell["step_high"]
    assert (fell["step"], rose["step"]) == (pytest.approx(600, abs=20), 400)


def test_long_series_are_thinned_evenly_to_their_end() -> None:
    steps = np.arange(2000)
    values = np.where(steps < 1700, 0.0, 1.0) + 0.1 * np.random.default_rng(1).standard_normal(2000)
    (found,) = (row for row in transitions(logged(grad_norm=(steps, values)), "r") if "effect" in row)
    assert found["step"] == pytest.approx(1700, abs=8)
    assert {found[name] for name in ("step", "step_low", "step_high")} <= set(np.linspace(0, 1999, 500).round())
    assert found["step_low"] <= found["step"] <= found["step_high"]
