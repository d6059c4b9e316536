"""What is likely where logged values are not what the snapshots give."""

from __future__ import annotations

import itertools

import pytest

from strobe.analysis.loss_check import EXACT
from strobe.analysis.loss_reason import (
    EARLIER,
    EXCHANGED,
    LATER,
    NEXT,
    OTHER_MODEL,
    OTHER_ROWS,
    OTHER_SPLIT_OR_MODEL,
    PREVIOUS,
    TRAIN_ALONE,
    Compared,
    Evidence,
)


def reason(logged: dict, computed: dict, *, earlier: dict | None = None, later: dict | None = None, **more) -> str:
    one = Compared(logged, computed, earlier or {}, later or {})
    return Evidence([one], EXACT, **more).reason("val_loss")


def test_values_that_are_each_others_are_exchanged() -> None:
    logged, computed = {"train_loss": 0.1, "val_loss": 5.0}, {"train_loss": 5.0, "val_loss": 0.1}
    assert reason(logged, computed, train_share=0.3) == EXCHANGED
    assert reason(logged, computed) == EXCHANGED


MOVED = {"train_loss": 0.1, "val_loss": 5.0}, {"train_loss": 7.3 / 3, "val_loss": 4.0}
"""Of other rows, where 0.3 of the inputs are train: 0.3 * 0.1 + 0.7 * 5.0 = 0.3 * 2.433.. + 0.7 * 4.0."""


def test_the_mean_over_all_inputs_tells_a_split_from_a_model() -> None:
    logged, computed = MOVED
    assert reason(logged, computed, train_share=0.3) == OTHER_ROWS
    assert reason(logged, computed, train_share=0.5) == OTHER_SPLIT_OR_MODEL
    assert reason(logged, computed) == OTHER_SPLIT_OR_MODEL, "whose share is not known"
    assert reason({"val_loss": 5.0}, computed, train_share=0.3) == OTHER_SPLIT_OR_MODEL


def test_rows_that_are_data_are_doubted_only_where_the_mean_over_all_inputs_speaks_for_others() -> None:
    logged, computed = MOVED
    assert reason(logged, computed, train_share=0.3, rows_given=True) == OTHER_ROWS
    assert reason(logged, computed | {"val_loss": 3.95}, train_share=0.3, rows_given=True) == OTHER_MODEL


def test_accuracies_speak_for_a_loss_whose_pair_is_not_known() -> None:
    """0.3 * 0.9 + 0.7 * 0.1 = 0.3 * 0.2 + 0.7 * 0.4."""
    logged, computed = {"val_loss": 5.0, "train_accuracy": 0.9, "val_accuracy": 0.1}, {"val_loss": 4.0}
    assert reason(logged, computed | {"train_accuracy": 0.2, "val_accuracy": 0.4}, train_share=0.3) == OTHER_ROWS
    assert reason(logged, computed | {"train_accuracy": 0.1, "val_accuracy": 0.9}, train_share=0.3) == EXCHANGED
    as_logged = {"train_accuracy": 0.9, "val_accuracy": 0.1}
    assert reason(logged, computed | as_logged, train_share=0.3) == OTHER_SPLIT_OR_MODEL, "the rows are right"


@pytest.mark.parametrize(("side", "why"), [("earlier", EARLIER), ("later", LATER)])
def test_a_log_that_is_one_step_off_is_told_by_its_neighbours_before_any_split(side: str, why: str) -> None:
    """The mean over all inputs is within the tolerance too, as it is from one step to the next."""
    logged, computed = {"train_loss": 1.0, "val_loss": 5.0}, {"train_loss": 1.25, "val_loss": 4.8929}
    assert reason(logged, computed, train_share=0.3) == OTHER_ROWS
    assert reason(logged, computed, train_share=0.3, **{side: computed}) == why
    assert reason({"val_loss": 5.0}, {"val_loss": 4.0}, **{side: {"val_loss": 4.9}}) == OTHER_SPLIT_OR_MODEL


def test_neighbouring_snapshots_tell_where_the_log_is_one_of_them_off() -> None:
    values = [9.0, 7.0, 4.0, 1.0]
    ahead = [Compared({"val_loss": a}, {"val_loss": b}) for b, a in itertools.pairwise(values)]
    behind = [Compared({"val_loss": a}, {"val_loss": b}) for a, b in itertools.pairwise(values)]
    assert Evidence(ahead, EXACT).reason("val_loss") == NEXT
    assert Evidence(behind, EXACT).reason("val_loss") == PREVIOUS


def test_one_value_that_went_astray_on_a_plateau_is_no_shift() -> None:
    steps = [
        Compared({"val_loss": 1.0}, {"val_loss": 1.0}, later={"val_loss": 7.0}),
        Compared({"val_loss": 7.0}, {"val_loss": 1.0}, later={"val_loss": 1.0}),
    ]
    assert Evidence(steps, EXACT).reason("val_loss") == OTHER_SPLIT_OR_MODEL


def test_train_alone_speaks_against_no_split_that_gives_all_of_val() -> None:
    logged, computed = {"train_loss": 1.0, "val_loss": 5.0}, {"train_loss": 1.1, "val_loss": 5.0}
    assert Evidence([Compared(logged, computed)], EXACT, train_share=0.1).reason("train_loss") == TRAIN_ALONE
    before = Compared(logged, computed, later={"train_loss": 1.1, "val_loss": 4.9})
    assert Evidence([before], EXACT, train_share=0.1).reason("train_loss") == LATER
