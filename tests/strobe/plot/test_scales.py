"""Scales and values that a figure must speak of: percentages, scales that differ, and what is no number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.errors import StrobeError
from etl.store.catalogue import Store
from strobe.charts.curves import Curves
from strobe.plot.request import Request
from strobe.plot.training import accuracy, loss, metric
from tests.support.app_store import log_only

Values = Callable[[int], Mapping[str, float]]


def store(root: Path, runs: Mapping[str, Values]) -> Store:
    for name, values in runs.items():
        log_only(root, [{"step": step, "time": 1e9 + step, **values(step)} for step in range(28)], name)
    return Store(root / "store")


def figure(draw: Callable[[Request], Curves], of: Store, *runs: str, name: str | None = None) -> Curves:
    return draw(Request(of, runs, metric=name))


def accuracies(train: float, val: float) -> Values:
    return lambda step: {"train_accuracy": train * step / 27, "val_accuracy": val * step / 27}


@pytest.mark.parametrize(
    ("train", "val", "unit", "title"),
    [
        (1.0, 0.5, "fraction", "accuracy (share)"), (100.0, 50.0, "percent", "accuracy (%)"),
        (100.0, 1.0, None, "accuracy"), (1.5, 1.0, None, "accuracy"),
    ],
)  # fmt: skip
def test_the_unit_of_accuracies_follows_their_values(
    tmp_path: Path, train: float, val: float, unit: str | None, title: str
) -> None:
    held = store(tmp_path, {"one": accuracies(train, val)})
    units = held.sql("SELECT DISTINCT unit FROM metrics WHERE name LIKE '%accuracy'", []).to_pylist()
    assert units == [{"unit": unit}]
    drawn = figure(accuracy, held, "one")
    assert (drawn.y_title, drawn.caption) == (title, "")
    assert figure(metric, held, "one", name="val_accuracy").y_title == title.replace("accuracy", "val_accuracy")


def test_runs_of_two_scales_say_so(tmp_path: Path) -> None:
    held = store(tmp_path, {"shares": accuracies(1.0, 0.5), "hundred": accuracies(100.0, 50.0)})
    drawn = figure(accuracy, held, "shares", "hundred")
    assert drawn.y_title == "accuracy (units differ)"
    assert drawn.caption == (
        "Drawn as recorded, on one axis: shares in shares (0 to 1); hundred in percentages (0 to 100)."
    )
    assert figure(metric, held, "shares", "hundred", name="val_accuracy").caption == drawn.caption


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "none of its 28 values is finite"), (math.inf, "none of its 28 values is finite"),
        (0.0, "none of its 28 values is above 0"),
    ],
)  # fmt: skip
def test_losses_that_cannot_be_drawn_are_not_called_missing(tmp_path: Path, value: float, why: str) -> None:
    held = store(tmp_path, {"bad": lambda _: {"train_loss": value}})
    with pytest.raises(StrobeError, match=f"no loss can be drawn: train: {why}"):
        figure(loss, held, "bad")


def test_no_loss_at_all_is_said(tmp_path: Path) -> None:
    held = store(tmp_path, {"bare": lambda _: {"x": 1.0}})
    with pytest.raises(StrobeError, match="no loss was recorded"):
        figure(loss, held, "bare")


def test_values_that_are_left_out_are_told_below_the_figure(tmp_path: Path) -> None:
    held = store(
        tmp_path, {"half": lambda step: {"train_loss": math.nan if step % 2 else 1.0, "val_loss": step + 0.0}}
    )
    assert figure(loss, held, "half").caption == (
        "test: values of zero or less have no place on a log axis and are left out. "
        "train: 14 of 28 values are finite, the first that is not at step 1."
    )
