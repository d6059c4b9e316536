"""A planted shift is ranked first, what does not move is not ranked, and still sides make no shift infinite."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strobe.analysis.ranking import ranked

STEPS = np.arange(0, 2000, 100)


def test_the_series_that_shifts_comes_first() -> None:
    random = np.random.default_rng(0)
    series = {f"noise {k}": (STEPS, random.normal(size=20)) for k in range(10)}
    series["planted"] = (STEPS, random.normal(size=20) + np.where(STEPS >= 1000, -8.0, 0.0))
    first, second, *_ = ranked(series, 1000)
    assert first.name == "planted"
    assert first.effect == pytest.approx(-8, abs=2)
    assert abs(first.standardised) > 2 * abs(second.standardised)


def test_the_size_is_cohens_d() -> None:
    (shift,) = ranked({"x": (np.arange(8), np.array([0, 2, 0, 2, 5, 7, 5, 7.0]))}, 4, samples=4)
    assert (shift.before, shift.after, shift.effect) == (1, 6, 5)
    assert shift.standardised == pytest.approx(5 / math.sqrt(8 / 6))


def test_only_the_samples_next_to_the_step_are_compared() -> None:
    y = np.array([9, 3, 1, 2, 3, 5, 9, 4, -9, 0.0])
    (shift,) = ranked({"x": (np.arange(10) * 10, y)}, 50, samples=3)
    assert (shift.before, shift.after, shift.effect) == (2, 6, 4)
    assert shift.standardised == pytest.approx(4 / math.sqrt((2 + 14) / 4))
    assert not shift.floored
    (wide,) = ranked({"x": (np.arange(16), np.r_[50, 50, 0:6, 10:16, 50, 50])}, 8)
    assert (wide.before, wide.after) == (2.5, 12.5)


def test_two_samples_a_side_are_enough_and_infinite_ones_are_none() -> None:
    steps, y = np.arange(6), np.array([np.inf, 0, 2, 5, 7, -np.inf])
    (shift,) = ranked({"x": (steps, y)}, 3)
    assert (shift.before, shift.after, shift.standardised) == (1, 6, pytest.approx(5 / math.sqrt(2)))
    assert ranked({"few before": (steps, y)}, 2) == []
    assert ranked({"few after": (steps, y)}, 4) == []


def test_sides_of_unequal_size_pool_their_squares() -> None:
    (shift,) = ranked({"x": (np.arange(6), np.array([0, 2, 4, 6, 10, 12.0]))}, 4)
    assert shift.standardised == pytest.approx(8 / math.sqrt((20 + 2) / 4))


def test_the_largest_shift_comes_first_whatever_its_sign_and_unit() -> None:
    wave = np.tile([0.0, 1.0], 10)
    series = {
        "small": (STEPS, 1000 * (wave + (STEPS >= 1000))), "down": (STEPS, wave - 3.0 * (STEPS >= 1000)),
        "up": (STEPS, wave + 2.0 * (STEPS >= 1000)),
    }  # fmt: skip
    assert [shift.name for shift in ranked(series, 1000)] == ["down", "up", "small"]


def test_a_clean_step_is_measured_in_the_range_and_a_constant_is_left_out() -> None:
    rounded = np.float32(0.1) * (1 + 1e-8 * np.arange(20))
    series = {
        "step": (STEPS, np.where(STEPS < 500, 1.0, 0.0)), "flat": (STEPS, np.ones(20)), "rounded": (STEPS, rounded),
    }  # fmt: skip
    (shift,) = ranked(series, 500)
    assert shift.name == "step"
    assert shift.floored
    assert shift.standardised == pytest.approx(-20)


def test_a_tiny_move_between_still_sides_ranks_below_a_clear_one() -> None:
    random = np.random.default_rng(1)
    clear = np.where(STEPS >= 1000, 10.0, 0.0) + random.normal(size=20)
    still = np.where(STEPS >= 1000, 0.501, 0.5)
    still[-1] = 1.0
    first, second = ranked({"still": (STEPS, still), "clear": (STEPS, clear)}, 1000)
    assert (first.name, second.name) == ("clear", "still")
    assert second.standardised == pytest.approx(0.001 / (0.05 * 0.5))


def test_too_few_or_unknown_samples_are_left_out() -> None:
    holes = np.full(20, np.nan)
    holes[:3] = [1, 2, 3]
    assert ranked({"holes": (STEPS, holes), "late": (STEPS, np.arange(20.0))}, 1900) == []
