"""When a logged value is what was recomputed, and what is likely where it is not."""

from __future__ import annotations

import pytest

from strobe.analysis.loss_check import (
    EXACT,
    EXCHANGED,
    LOSS_FLOOR,
    OTHER_MODEL,
    OTHER_ROWS,
    OTHER_STEP,
    REDUCED,
    agrees,
    likely_reason,
)


@pytest.mark.parametrize(
    ("metric", "logged", "computed", "tolerance", "same"),
    [
        ("val_loss", 1.0, 1.0199, EXACT, True),
        ("val_loss", 1.0, 1.03, EXACT, False),
        ("val_loss", 1.0, 1.03, REDUCED, True),
        ("val_loss", 1.0, 1.2, REDUCED, False),
        ("train_loss", 0.0, LOSS_FLOOR / 2, EXACT, True),
        ("train_loss", 1e-7, 3e-7, EXACT, True),
        ("train_loss", 1e-5, 2e-5, EXACT, False),
        ("val_accuracy", 0.5, 0.504, EXACT, True),
        ("val_accuracy", 0.5, 0.51, EXACT, False),
        ("val_accuracy", 0.001, 0.004, EXACT, True),
        ("val_accuracy", 0.5, 0.51, REDUCED, True),
    ],
)
def test_losses_agree_by_their_size_and_accuracies_by_inputs(metric, logged, computed, tolerance, same) -> None:
    assert agrees(metric, logged, computed, tolerance) is same
    assert agrees(metric, computed, logged, tolerance) is same


def reason(logged: dict, computed: dict, **more) -> str:
    return likely_reason("val_loss", logged, computed, EXACT, **more)


def test_values_that_are_each_others_are_exchanged() -> None:
    logged, computed = {"train_loss": 0.1, "val_loss": 5.0}, {"train_loss": 5.0, "val_loss": 0.1}
    assert reason(logged, computed, train_share=0.3) == EXCHANGED
    assert reason(logged, computed) == EXCHANGED


def test_the_mean_over_all_inputs_tells_a_split_from_a_model() -> None:
    """0.3 * 0.1 + 0.7 * 5.0 = 0.3 * 2.433.. + 0.7 * 4.0."""
    logged, computed = {"train_loss": 0.1, "val_loss": 5.0}, {"train_loss": 7.3 / 3, "val_loss": 4.0}
    assert reason(logged, computed, train_share=0.3) == OTHER_ROWS
    assert reason(logged, computed, train_share=0.5) == OTHER_MODEL
    assert reason(logged, computed) == OTHER_MODEL, "whose share is not known"
    assert reason({"val_loss": 5.0}, computed, train_share=0.3) == OTHER_MODEL


def test_accuracies_speak_for_a_loss_whose_pair_is_not_known() -> None:
    """0.3 * 0.9 + 0.7 * 0.1 = 0.3 * 0.2 + 0.7 * 0.4."""
    logged, computed = {"val_loss": 5.0, "train_accuracy": 0.9, "val_accuracy": 0.1}, {"val_loss": 4.0}
    assert reason(logged, computed | {"train_accuracy": 0.2, "val_accuracy": 0.4}, train_share=0.3) == OTHER_ROWS
    assert reason(logged, computed | {"train_accuracy": 0.1, "val_accuracy": 0.9}, train_share=0.3) == EXCHANGED
    as_logged = {"train_accuracy": 0.9, "val_accuracy": 0.1}
    assert reason(logged, computed | as_logged, train_share=0.3) == OTHER_MODEL, "the rows are right"


def test_a_log_that_is_one_step_off_is_told_by_its_neighbours() -> None:
    assert reason({"val_loss": 5.0}, {"val_loss": 4.0}, beside=(4.01,)) == OTHER_STEP
    assert reason({"val_loss": 5.0}, {"val_loss": 4.0}, beside=(float("nan"), 4.9)) == OTHER_MODEL
