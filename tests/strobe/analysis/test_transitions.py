"""Known answers for the grokking onset and the loss peak."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strobe.analysis.projection import principal_axes, project
from strobe.analysis.transitions import grokking_onset, loss_peak

STEPS = np.arange(0, 2000, 100)


def curve(first_good: int) -> np.ndarray:
    return np.where(first_good <= STEPS, 1.0, 0.1)


def test_the_onset_is_the_first_evaluation_that_holds() -> None:
    found = grokking_onset(STEPS, curve(300), curve(700))
    assert (found.step, found.fitted, found.relapses, found.reason) == (700, 300, (), "")


def test_a_dip_within_ten_evaluations_postpones_the_onset() -> None:
    val = curve(300)
    val[STEPS == 900] = 0.98
    assert grokking_onset(STEPS, curve(100), val).step == 1000


def test_a_dip_after_ten_evaluations_is_a_relapse_and_moves_nothing() -> None:
    val = curve(300)
    val[STEPS == 1400] = val[STEPS == 1500] = val[STEPS == 1800] = 0.5
    found = grokking_onset(STEPS, curve(100), val)
    assert found.step == 300
    assert found.relapses == (1400, 1800)


@pytest.mark.parametrize(("first_good", "onset"), [(1600, 1600), (1700, None)])
def test_near_the_end_three_evaluations_must_be_left(first_good: int, onset: int | None) -> None:
    assert grokking_onset(STEPS, curve(100), curve(first_good)).step == onset


def test_generalising_before_the_training_set_is_known_is_no_onset_until_it_is() -> None:
    assert grokking_onset(STEPS, curve(500), curve(100)).step == 600


def test_none_comes_with_its_reason() -> None:
    assert "train accuracy never reached" in grokking_onset(STEPS, curve(9999), curve(100)).reason
    assert "never reached" in grokking_onset(STEPS, curve(100), curve(9999)).reason
    assert "not recorded" in grokking_onset(STEPS, curve(100), STEPS * math.nan).reason
    assert "not recorded" in grokking_onset([], [], []).reason


def test_steps_without_an_evaluation_and_in_any_order_do_no_harm() -> None:
    train, val = curve(300), curve(700)
    val[1::2] = math.nan
    order = np.random.default_rng(0).permutation(len(STEPS))
    assert grokking_onset(STEPS[order], train[order], val[order]).step == 800


def test_columns_of_two_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        grokking_onset([1, 2], [1.0], [1.0, 1.0])


def test_what_reaches_a_limit_exactly_counts() -> None:
    steps = np.arange(16)
    train, val = np.full(16, 0.99), np.full(16, 0.99)
    train[0] = val[2] = np.nextafter(0.99, 0)
    found = grokking_onset(steps, train, val)
    assert (found.fitted, found.step) == (1, 3)
    val[13] = 0.5
    assert grokking_onset(steps, train, val).step is None
    train[4], val[14:] = 0.5, 0.5
    val[13] = 0.99
    found = grokking_onset(steps, train, val)
    assert (found.fitted, found.step, found.relapses) == (1, 3, (14,))


def test_what_is_not_finite_is_no_peak() -> None:
    peak = loss_peak([5, 1, 3, 2, 4], [0.4, 1.0, 8.0, math.inf, math.nan])
    assert (peak.step, peak.value, peak.fallen) == (3, 8.0, 5)
    assert loss_peak([0, 1, 2], [0.0, -1.0, -2.0]).fallen is None
    assert loss_peak([0, 1, 2], [1.0, 10.0, 3.0]).fallen is None


def test_the_peak_and_the_first_step_80_percent_below_it() -> None:
    peak = loss_peak([0, 1, 2, 3, 4], [5.0, math.nan, 10.0, 2.1, 2.0])
    assert (peak.step, peak.value, peak.fallen) == (2, 10.0, 4)


def test_a_peak_that_never_falls_and_a_loss_that_was_never_finite() -> None:
    assert loss_peak([0, 1], [1.0, 9.0]).fallen is None
    assert loss_peak([0, 1], [math.nan, math.inf]).step is None


def test_principal_axes_find_a_planted_plane() -> None:
    rng = np.random.default_rng(1)
    plane, _ = np.linalg.qr(rng.normal(size=(12, 2)))
    points = rng.normal(size=(40, 2)) * [5, 2] @ plane.T + 3
    axes = principal_axes(points)
    assert np.allclose(axes @ (axes.T @ plane), plane)
    assert np.allclose(project(points, axes).mean(axis=0), 0)


def test_axes_of_too_few_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="2 axes need"):
        principal_axes(np.ones((5, 1)))
