"""Which scale two accuracies are on, and which names mean an accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.analysis.accuracy import Refusal, Shares, accuracy_names, shares


def scale(train: list[float], val: list[float]) -> Shares | Refusal:
    return shares(np.array(train), np.array(val), 0.99)


@pytest.mark.parametrize(
    ("train", "val", "percent"),
    [
        ([0.0, 1.0], [0.0, 0.5], False), ([1 + 9e-4], [0.1], False), ([0.5, 100.0], [2.0, 99.0], True),
        ([100.09], [50.0], True), ([100.0], [0.98], True), ([0.0, 2.0], [0.5, 0.5], True),
    ],
)  # fmt: skip
def test_both_are_on_one_scale(train: list[float], val: list[float], percent: bool) -> None:
    found = scale(train, val)
    assert isinstance(found, Shares)
    assert found.percent == percent
    whole = 100 if percent else 1
    assert found.train.tolist() == [value / whole for value in train]
    assert found.val.tolist() == [value / whole for value in val]


@pytest.mark.parametrize(
    ("train", "val", "why"),
    [
        ([-1e-3, 1.0], [0.5], "go down to -0.001"), ([0.5], [1.00125], "go up to 1.00125: more"),
        ([1.9], [0.5], "go up to 1.9"),
        ([100.2], [1.0], "go up to 100.2, beyond 100%"),
        ([100.0], [1.0], "validation accuracy to 1, which is either"),
        ([0.99], [55.0], "train accuracy to 0.99, which is either"),
    ],
)  # fmt: skip
def test_what_has_no_scale_is_refused(train: list[float], val: list[float], why: str) -> None:
    found = scale(train, val)
    assert isinstance(found, Refusal)
    assert why in found.reason


def test_what_is_not_finite_says_nothing_of_the_scale() -> None:
    found = scale([np.inf, 0.5, np.nan], [np.nan, 0.2, -np.inf])
    assert isinstance(found, Shares)
    assert np.isnan(found.train).tolist() == [True, False, True]
    assert np.isnan(found.val).tolist() == [True, False, True]


def test_names_tell_the_split_by_whole_words() -> None:
    names = [
        "train_accuracy", "val_accuracy", "test_acc", "eval/acc", "validAccuracy", "accTrain", "accuracy", "Dev-Acc",
        "train_val_acc", "accept_rate/train", "constrained_accuracy", "memory_accesses", "acceleration",
    ]  # fmt: skip
    assert accuracy_names(names) == {
        "train": ["accTrain", "train_accuracy"],
        "val": ["Dev-Acc", "eval/acc", "test_acc", "val_accuracy", "validAccuracy"],
        "": ["accuracy", "constrained_accuracy", "train_val_acc"],
    }
