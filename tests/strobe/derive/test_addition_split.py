"""Which rows are train: made by our rule, given as data, or not known, and what is then said in place of a loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strobe.analysis.fourier import KeyFrequencies
from strobe.analysis.tasks import SPLIT, modular_addition
from strobe.derive import progress
from strobe.derive.recorded_run import NotApplicableError
from tests.support.adding import P, model_of, record, subject, weights

ROWS = np.array([3, 0, 24, 7, 11, 8], np.int64)


def rows_of(folder: Path, keys: tuple[int, ...] = (1,)) -> dict[tuple, dict]:
    """(measure, split, frequency) -> the row of `progress`, with frequencies that are said to be the keys."""
    made = subject(folder)
    made.addition.keys = KeyFrequencies(np.array(keys), np.ones(len(keys), np.int64))
    return {(row["measure"], row["split"], row["frequency"]): row for row in progress.rows(made, 40)}


def cross_entropies(logits: np.ndarray) -> np.ndarray:
    """Of each row a P + b over the classes 0 to P - 1, in the plainest way."""
    exact = logits[:, :P].astype(np.float64)
    label = np.add.outer(np.arange(P), np.arange(P)).ravel() % P
    return np.asarray(np.log(np.exp(exact).sum(axis=1)) - exact[np.arange(P * P), label])


def test_our_own_split_is_made_from_fraction_and_seed(tmp_path: Path) -> None:
    own = {"split": SPLIT, "train_fraction": 0.4, "data_seed": 9}
    split, made = model_of(record(tmp_path / "run", weights(), task=own)).split, modular_addition(P, 0.4, 9)
    np.testing.assert_array_equal(split.train, made.train_index)
    np.testing.assert_array_equal(split.val, made.val_index)
    assert (split.reason, split.stamp) == ("", "")


@pytest.mark.parametrize("place", ["tensor", "manifest"])
def test_the_losses_are_those_of_the_declared_rows(tmp_path: Path, place: str) -> None:
    """Fraction and seed would make other rows, which must not be looked at."""
    task: dict[str, Any] = {"split": "rows", "train_fraction": len(ROWS) / P**2, "data_seed": 9}
    more = {"probe/train_rows": ROWS} if place == "tensor" else {}
    folder = record(
        tmp_path / "run", weights(), task=task | ({} if more else {"train_rows": ROWS.tolist()}), more=more
    )
    found, each = rows_of(folder), cross_entropies(model_of(folder).forward(40).logits)
    assert found["full_loss", "train", None]["value"] == pytest.approx(each[ROWS].mean())
    rest = np.setdiff1d(np.arange(P * P), ROWS)
    assert found["full_loss", "val", None]["value"] == pytest.approx(each[rest].mean())
    assert found["full_loss", "all", None]["value"] == pytest.approx(each.mean())
    logits = model_of(folder).forward(40).logits[:, :P].astype(np.float64)
    angle = 2 * np.pi * np.add.outer(np.arange(P), np.arange(P)).ravel() / P
    waves = np.stack([np.cos(angle), np.sin(angle)])
    waves /= np.linalg.norm(waves, axis=1, keepdims=True)
    without = cross_entropies(logits - waves.T @ (waves @ logits))
    for frequency in (None, 1):
        assert found["excluded_loss", "train", frequency]["value"] == pytest.approx(without[ROWS].mean())
    made = modular_addition(P, len(ROWS) / P**2, 9).train_index
    assert abs(without[made].mean() - without[ROWS].mean()) > 0.01, "other rows would have been seen"


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({}, "the manifest has no task.split"),
        ({"train_fraction": 0.4, "data_seed": 9}, "the manifest has no task.split"),
        ({"split": "random-8", "train_fraction": 0.4, "data_seed": 9}, "task.split is 'random-8'; known are"),
        ({"split": SPLIT, "data_seed": 9}, "the manifest's task lacks train_fraction"),
        ({"split": SPLIT, "train_fraction": 1.5, "data_seed": 9}, "make no split"),
        ({"split": SPLIT, "train_fraction": 0.4, "data_seed": "x"}, "make no split"),
        ({"split": "rows"}, "there is neither probe/train_rows nor task.train_rows"),
        ({"split": "rows", "train_rows": [0.5]}, "task.train_rows is no list of integers"),
        ({"split": "rows", "train_rows": [True]}, "task.train_rows is no list of integers"),
        ({"split": "rows", "train_rows": [2**70]}, "beyond 64 bits"),
        ({"split": "rows", "train_rows": []}, "the list of train rows is empty"),
        ({"split": "rows", "train_rows": [0, 25]}, "train rows go from 0 to 25, and those of mod 5 to 24"),
        ({"split": "rows", "train_rows": [-1, 2]}, "train rows go from -1 to 2"),
        ({"split": "rows", "train_rows": [1, 2, 2, 2]}, "2 of 4 train rows stand twice"),
        ({"split": "rows", "train_rows": [1, 2], "train_fraction": 0.5}, "2 train rows are not train_fraction 0.5"),
    ],
)
def test_a_split_that_is_not_known_is_null_with_its_reason(tmp_path: Path, task: dict, reason: str) -> None:
    folder = record(tmp_path / "run", weights(), task=task)
    split = model_of(folder).split
    assert (split.train, split.val, split.stamp) == (None, None, ":no split")
    assert reason in split.reason
    found = rows_of(folder)
    measures = ("full_loss", "restricted_loss", "model_loss", "accuracy")
    of_a_split = [(measure, split, None) for measure in measures for split in ("train", "val")]
    of_a_split += [("excluded_loss", "train", None), ("excluded_loss", "train", 1)]
    for key in of_a_split:
        assert found[key]["value"] is None, key
        assert reason in found[key]["note"]
    # What needs the modulus alone is there all the same.
    for key in (("full_loss", "all", None), ("restricted_loss", "all", None), ("cosine_coefficient", None, 2)):
        assert found[key]["value"] is not None, key
        assert found[key]["note"] is None


def test_where_every_row_is_train_there_is_no_validation_loss(tmp_path: Path) -> None:
    task = {"split": "rows", "train_rows": list(range(P * P))}
    found = rows_of(record(tmp_path / "run", weights(), task=task))
    assert found["full_loss", "train", None]["value"] == pytest.approx(found["full_loss", "all", None]["value"])
    assert (found["full_loss", "val", None]["value"], found["full_loss", "val", None]["note"]) == (
        None, "every row is a train row",
    )  # fmt: skip


def test_rows_of_no_known_kind_are_not_used(tmp_path: Path) -> None:
    more = {"probe/train_rows": np.ones(3, np.float32)}
    split = model_of(record(tmp_path / "run", weights(), task={"split": "rows"}, more=more)).split
    assert "the train rows are float32 of shape (3,), not a list of integers" in split.reason


def test_other_rows_make_stored_ones_stale(tmp_path: Path) -> None:
    stamps = set()
    for number, rows in enumerate(([1, 2], [2, 1], [1, 3])):
        task = {"split": "rows", "train_rows": rows}
        stamps.add(model_of(record(tmp_path / str(number), weights(), task=task)).split.stamp)
    assert len(stamps) == 2, "the order of the rows means nothing"


@pytest.mark.parametrize(
    ("task", "reason"),
    [({"kind": "text"}, "the task is text, not modular addition"), ({"modulus": 5.0}, "task.modulus is 5.0"),
     ({"modulus": 1}, "task.modulus is 1"), ({"modulus": True}, "task.modulus is True")],
)  # fmt: skip
def test_without_a_modulus_there_is_nothing(tmp_path: Path, task: dict, reason: str) -> None:
    with pytest.raises(NotApplicableError, match=reason):
        _ = model_of(record(tmp_path / "run", weights(), task=task)).modulus
