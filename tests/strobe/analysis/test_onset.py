"""The borders of the rule for a grokking onset. Planted runs of every kind are in tests/strobe/derive."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strobe.analysis.onset import grokking_onset
from strobe.analysis.onset_answer import GAP, HOLD, LEAST, RULE, THRESHOLD, Answer

STEPS = np.arange(0, 2000, 100)


def curve(first_good: int) -> np.ndarray:
    return np.where(first_good <= STEPS, 1.0, 0.1)


def test_the_onset_is_the_first_evaluation_that_holds() -> None:
    found = grokking_onset(STEPS, curve(300), curve(700))
    assert (found.answer, found.step, found.fitted, found.relapses, found.reason) == ("grokked", 700, 300, (), "")


def test_a_dip_within_ten_evaluations_postpones_the_onset() -> None:
    val = curve(500)
    val[STEPS == 900] = 0.98
    assert grokking_onset(STEPS, curve(100), val).step == 1000


def test_a_dip_after_ten_evaluations_is_a_relapse_and_moves_nothing() -> None:
    val = curve(500)
    val[STEPS == 1600] = val[STEPS == 1700] = val[STEPS == 1900] = 0.5
    found = grokking_onset(STEPS, curve(100), val)
    assert (found.step, found.relapses) == (500, (1600, 1900))
    assert " It relapses 2 times, first at step 1,600. " in found.sentence


@pytest.mark.parametrize(("first_good", "onset"), [(1600, 1600), (1700, None)])
def test_near_the_end_three_evaluations_must_be_left(first_good: int, onset: int | None) -> None:
    assert grokking_onset(STEPS, curve(100), curve(first_good)).step == onset


def test_three_evaluations_must_lie_in_the_gap() -> None:
    assert grokking_onset(STEPS, curve(300), curve(700)).answer is Answer.GROKKED
    assert grokking_onset(STEPS, curve(300), curve(600)).answer is Answer.TOO_FEW


@pytest.mark.parametrize(("val", "answer"), [(1500, Answer.GROKKED), (1499, Answer.TOGETHER)])
def test_a_fifth_of_the_steps_must_lie_in_the_gap(val: int, answer: Answer) -> None:
    steps = np.arange(0, 3001)
    assert grokking_onset(steps, steps >= 1200, steps >= val).answer is answer
    assert grokking_onset(steps + 500, steps >= 1200, steps >= val).answer is answer, "from where the log begins"


@pytest.mark.parametrize(("chance", "level", "answer"), [
    (0.1, 0.545, Answer.GROKKED), (0.1, 0.546, Answer.TOGETHER), (None, 0.495, Answer.GROKKED),
    (None, 0.5, Answer.TOGETHER), (0.5, 0.74, Answer.GROKKED), (0.5, 0.75, Answer.TOGETHER),
])  # fmt: skip
def test_validation_is_at_most_halfway_when_train_is_learned(
    chance: float | None, level: float, answer: Answer
) -> None:
    val = np.where(STEPS < 1200, level, 1.0)
    assert grokking_onset(STEPS, curve(500), val, chance=chance).answer is answer


def test_what_happened_between_two_evaluations_is_not_guessed() -> None:
    """Train is learned between an evaluation below halfway and one above it."""
    steps = np.arange(0, 5000, 10)
    val = np.where(steps % 500 == 0, np.where(steps < 500, 0.1, np.where(steps < 2500, 0.8, 1.0)), np.nan)
    found = grokking_onset(steps, steps >= 250, val)
    assert found.answer is Answer.TOO_FEW
    assert found.reason.endswith(
        "validation accuracy is 0.1 at step 0 before that and 0.8 at step 500 after "
        "(chance is not known and taken as 0)"
    )


def test_steps_without_an_evaluation_and_in_any_order_do_no_harm() -> None:
    train, val = curve(300), curve(1100)
    val[1::2] = math.nan
    order = np.random.default_rng(0).permutation(len(STEPS))
    found = grokking_onset(STEPS[order], train[order], val[order])
    assert (found.step, found.fitted) == (1200, 300)


def test_one_noisy_evaluation_is_no_training_set_known() -> None:
    spike = np.where(STEPS == 500, 1.0, 0.2)
    found = grokking_onset(STEPS, spike, curve(900))
    assert (found.answer, found.fitted) == (Answer.TRAIN_NEVER, None)
    assert found.reason.startswith(
        "train accuracy reaches 0.99 at 1 evaluation at step 500, and did not hold it: the median of the next 3 is"
    )
    assert grokking_onset(STEPS, np.maximum(spike, curve(1000)), curve(1500)).fitted == 1000
    dip = curve(500)
    dip[STEPS == 700] = 0.9
    assert grokking_onset(STEPS, dip, curve(1200)).fitted == 500, "a dip among the next three is no spike"


def test_the_last_evaluation_has_none_after_it() -> None:
    assert grokking_onset(STEPS, curve(1900), curve(5000)).fitted == 1900


def test_the_step_from_which_validation_holds_may_lie_before_train_is_learned() -> None:
    found = grokking_onset(STEPS, curve(1500), curve(500))
    assert found.answer is Answer.TOGETHER
    assert found.reason.endswith("and holds 0.99 from step 500")


def test_an_unknown_chance_is_said_where_a_run_grokked() -> None:
    words = "Chance is not known and taken as 0."
    assert words in grokking_onset(STEPS, curve(100), curve(900)).sentence
    assert words not in grokking_onset(STEPS, curve(100), curve(900), chance=0.1).sentence


def test_rounding_beyond_1_is_a_share_and_more_is_said_in_enough_digits() -> None:
    assert grokking_onset(STEPS, curve(100) * 1.0001, curve(900)).step == 900
    assert "up to 1.0011:" in grokking_onset(STEPS, curve(100) * 1.0011, curve(900)).reason


def test_columns_of_two_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        grokking_onset([1, 2], [1.0], [1.0, 1.0])


def test_what_reaches_a_limit_exactly_counts() -> None:
    steps, below = np.arange(20), np.nextafter(0.99, 0)
    train, val = np.full(20, 0.99), np.full(20, 0.99)
    train[0], val[:6] = below, 0.1
    assert (grokking_onset(steps, train, val).fitted, grokking_onset(steps, train, val).step) == (1, 6)
    val[6] = below
    assert grokking_onset(steps, train, val).step == 7
    val[17] = below
    assert grokking_onset(steps, train, val).answer is Answer.RELAPSED, "nine evaluations after the first"
    val[17:] = 0.99
    val[18] = 0.5
    found = grokking_onset(steps, train, val)
    assert (found.step, found.relapses) == (7, (18,))


def test_no_share_is_rounded_up_to_the_threshold() -> None:
    val = np.where(STEPS < 500, 0.1, 0.98999)
    assert "at most 0.989990 at step 500" in grokking_onset(STEPS, curve(100), val).reason


def test_the_rule_in_words_has_its_numbers() -> None:
    for number in (f"≥ {THRESHOLD}", f"{HOLD} evaluations", f"at least {LEAST}", f"{GAP:.0%}"):
        assert number in RULE
