"""Health of a run whose tensors were planted: who is in trouble, since when, and how the rest spreads."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from strobe.derive.health import rows as health
from strobe.derive.health_tensors import rows as named
from tests.support.duck import cursor

Row = dict[str, Any]


def tensor(step: int, section: str, name: str, **values: Any) -> Row:
    base = {
        "layer": None,
        "l2": 1.0,
        "abs_max": 1.0,
        "nonfinite": 0,
        "update_ratio": 1e-3 if section == "params" else None,
    }
    return {"run": "r", "step": step, "section": section, "tensor": name} | base | values


def recorded(*rows: Row, frozen: str = "{}") -> Any:
    """A catalogue of one run with these rows of `tensors`; `frozen` is what its config says of itself."""
    connection = cursor()
    connection.register("runs", pa.table({"run": ["r"], "config": [frozen]}))
    connection.register("tensors", pa.Table.from_pylist(list(rows), pa.schema([
        ("run", pa.string()), ("step", pa.int64()), ("section", pa.string()), ("tensor", pa.string()),
        ("layer", pa.int16()), ("l2", pa.float64()), ("abs_max", pa.float64()), ("nonfinite", pa.int64()),
        ("update_ratio", pa.float64()),
    ])))  # fmt: skip
    return SimpleNamespace(query=lambda sql, values=None: connection.sql(sql, params=values).to_arrow_table())


def troubles(*rows: Row, frozen: str = "{}") -> list[tuple[int, str, str]]:
    return [(row["step"], row["tensor"], row["kind"]) for row in named(recorded(*rows, frozen=frozen), "r")]


def test_what_is_frozen_on_purpose_is_so_until_it_moves() -> None:
    ratios = (None, 0.0, 0.0, 0.0, 1e-3, 0.0, 0.0, 0.0)
    rows = [tensor(step, "params", "w", update_ratio=ratio) for step, ratio in enumerate(ratios)]
    said = [(0, "w"), (1, "w"), (2, "w"), (3, "w")]
    kind = "frozen on purpose (requires_grad=False)"
    found = troubles(*rows, frozen='{"frozen": [{"tensor": "w", "layer": null}]}')
    assert found == [*((*each, kind) for each in said), (7, "w", "frozen")]
    for other in ("{}", "not JSON", '{"frozen": [{"tensor": "w", "layer": 1}]}'):
        assert troubles(*rows, frozen=other) == [(3, "w", "frozen"), (7, "w", "frozen")]


def test_a_healthy_run_has_no_trouble() -> None:
    steps = [tensor(step, section, "w") for step in (0, 100, 200, 300) for section in ("params", "grads")]
    assert troubles(*steps) == []


@pytest.mark.parametrize(
    ("section", "values", "kind"),
    [
        ("params", {"nonfinite": 1, "l2": math.nan}, "weights not finite"),
        ("grads", {"nonfinite": 2, "l2": math.inf}, "gradient not finite"),
        ("grads", {"l2": 100.0}, "exploding gradient"),
        ("grads", {"l2": 99.9}, None),
        ("grads", {"l2": 1e-7}, "vanishing gradient"),
        ("grads", {"l2": 1.1e-7}, None),
        ("grads", {"l2": 0.0}, "zero gradient"),
        ("params", {"l2": 1e6}, None),
        ("grads", {"l2": None}, None),
    ],
)
def test_each_rule_at_its_threshold(section: str, values: Row, kind: str | None) -> None:
    found = troubles(tensor(0, section, "good"), tensor(0, section, "w", **values))
    assert found == ([(0, "w", kind)] if kind else [])


@pytest.mark.parametrize(("weight", "layer", "vanishes"), [(1e-2, 1, False), (1e-2, 0, True), (1e-4, 1, True)])
def test_a_bias_that_cancels_out_has_no_vanishing_gradient_and_is_not_frozen(
    weight: float, layer: int, vanishes: bool
) -> None:
    still = [tensor(step, "params", "k.bias", layer=1, update_ratio=0.0) for step in (0, 1, 2)]
    gradients = [("k.bias", 0, 5e-8, 1), ("k.weight", 0, weight, layer), ("k.weight", 1, 1.0, 1)]
    rows = [tensor(step, "grads", name, l2=l2, layer=at) for name, step, l2, at in gradients]
    found = troubles(*still, *rows, tensor(0, "params", "k.weight", layer=1))
    assert found == ([(0, "k.bias", "vanishing gradient"), (2, "k.bias", "frozen")] if vanishes else [])


def test_frozen_takes_three_snapshots_one_after_another() -> None:
    ratios = [None, 0.0, 0.0, 1e-3, 0.0, 0.0, 0.0, 0.0, 1e-3, 0.0]
    rows = [tensor(100 * i, "params", "w", update_ratio=ratio) for i, ratio in enumerate(ratios)]
    assert troubles(*rows) == [(600, "w", "frozen"), (700, "w", "frozen")]


def test_layers_are_told_apart() -> None:
    rows = [tensor(s, "params", "w", layer=layer, update_ratio=float(layer)) for s in range(4) for layer in (0, 1)]
    assert {(row["tensor"], row["layer"]) for row in named(recorded(*rows), "r")} == {("w", 0)}


@pytest.mark.parametrize(
    ("gradients", "why"),
    [
        ({"w": 0.0}, "its gradient is zero"),
        ({"other": 1.0}, "it has no gradient in the snapshot"),
        ({"w": 1.0}, None),
        ({}, None),
    ],
)
def test_a_frozen_tensor_says_why(gradients: dict[str, float], why: str | None) -> None:
    still = [tensor(step, "params", "w", update_ratio=0.0) for step in range(3)]
    found = named(recorded(*still, *(tensor(2, "grads", name, l2=l2) for name, l2 in gradients.items())), "r")
    assert [row["why"] for row in found if row["kind"] == "frozen"] == [why]


def test_the_worst_five_are_named_and_all_are_counted() -> None:
    many = [tensor(7, "grads", f"w{i}", l2=100.0 * (i + 1)) for i in range(12)]
    found = named(recorded(*many), "r")
    assert [row["tensor"] for row in found] == ["w11", "w10", "w9", "w8", "w7"]
    assert {row["alike"] for row in found} == {12}
    (count,) = [row["value"] for row in health(recorded(*many), "r") if row["quantity"] == "exploding gradient"]
    assert count == 12


def test_the_first_step_of_a_trouble_is_kept() -> None:
    rows = [tensor(step, "grads", "w", nonfinite=int(step >= 200)) for step in (0, 100, 200, 300)]
    assert [(row["step"], row["first_step"]) for row in named(recorded(*rows), "r")] == [(200, 200), (300, 200)]


def test_the_spread_is_over_the_tensors_of_a_snapshot() -> None:
    rows = [tensor(0, "grads", f"w{i}", l2=float(i)) for i in range(1, 21)]
    found = {
        row["statistic"]: row["value"] for row in health(recorded(*rows), "r") if row["quantity"] == "gradient_l2"
    }
    assert found == {"median": 10.5, "p95": 19.0, "min": 1.0, "max": 20.0, "tensors": 20.0}


def test_what_is_not_finite_is_left_out_and_said() -> None:
    rows = [tensor(0, "grads", "a", l2=2.0), tensor(0, "grads", "b", l2=math.inf, nonfinite=1)]
    (row,) = [r for r in health(recorded(*rows), "r") if (r["quantity"], r["statistic"]) == ("gradient_l2", "max")]
    assert (row["value"], row["note"]) == (2.0, "1 without a finite value")


def test_what_moves_away_from_0_has_no_relative_movement() -> None:
    rows = [
        tensor(0, "params", "zero", l2=0.0, update_ratio=None), tensor(0, "params", "w", update_ratio=None),
        tensor(1, "params", "zero", l2=0.5, update_ratio=5e11), tensor(1, "params", "w"),
        tensor(2, "params", "zero", l2=0.6, update_ratio=0.2), tensor(2, "params", "w"),
    ]  # fmt: skip
    found = {
        row["step"]: (row["value"], row["note"])
        for row in health(recorded(*rows), "r")
        if (row["quantity"], row["statistic"]) == ("update_ratio", "max")
    }
    assert found[1] == (1e-3, "1 without a finite value")
    assert found[2] == (0.2, None)


@pytest.mark.parametrize(("gap", "note"), [(1, None), (100, "net movement over 100 steps, a step")])
def test_an_update_ratio_says_over_how_many_steps(gap: int, note: str | None) -> None:
    rows = [tensor(0, "params", "w", update_ratio=None), tensor(gap, "params", "w")]
    found = {
        r["step"]: r
        for r in health(recorded(*rows), "r")
        if (r["quantity"], r["statistic"]) == ("update_ratio", "max")
    }
    assert (found[0]["value"], found[0]["note"]) == (None, "the first snapshot: nothing to compare with")
    assert (found[gap]["value"], found[gap]["note"]) == (1e-3, note)
