"""A planted shift is ranked first, in the series' own usual movement, and what cannot be told is named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strobe.analysis.ranking import EARNED, EARNED_OF, FLOOR, PLACES, STANDS_OUT, Shift, ranked
from tests.support.places import ROOT
from tests.support.random_curves import noise

STEPS = np.arange(0, 4800, 100)


def one(steps: np.ndarray, values: np.ndarray, at: float) -> Shift:
    (shift,) = ranked({"x": (steps, values)}, at).shifts
    return shift


def test_the_series_that_shifts_comes_first() -> None:
    random = np.random.default_rng(0)
    series = {f"noise {k}": (STEPS, random.normal(size=48)) for k in range(10)}
    series["planted"] = (STEPS, random.normal(size=48) + np.where(STEPS >= 2000, -8.0, 0.0))
    first, second, *_ = ranked(series, 2000).shifts
    assert first.name == "planted"
    assert first.effect == pytest.approx(-8, abs=2)
    assert abs(first.times) > STANDS_OUT > abs(second.times)


@pytest.mark.parametrize(("n", "side"), [(24, 3), (48, 6), (200, 6), (20, 2)])
def test_the_size_is_in_what_the_same_difference_is_elsewhere(n: int, side: int) -> None:
    y, place = np.random.default_rng(n).normal(size=n), n // 3
    others = [k for k in range(side, n - side + 1) if k + side <= place - side or k - side >= place + side]
    usual = math.sqrt(np.mean([(y[k : k + side].mean() - y[k - side : k].mean()) ** 2 for k in others]))
    shift = one(np.arange(n), y, place)
    assert shift.before == pytest.approx(y[place - side : place].mean())
    assert shift.after == pytest.approx(y[place : place + side].mean())
    assert shift.effect == pytest.approx(shift.after - shift.before)
    assert shift.times == pytest.approx(shift.effect / usual)


def test_a_drift_moves_as_far_everywhere() -> None:
    shift = one(STEPS, 5.0 + 3.0 * np.arange(48), 2000)
    assert (shift.effect, shift.times, shift.floored) == (pytest.approx(18), pytest.approx(1), False)


def test_samples_that_are_not_finite_are_none() -> None:
    y = np.random.default_rng(0).normal(size=48)
    holes, steps = (
        np.insert(y, [3, 20, 40], [np.inf, np.nan, -np.inf]),
        np.insert(STEPS, [3, 20, 40], [250, 1950, 3950]),
    )
    assert one(steps, holes, 2000) == one(STEPS, y, 2000)


def test_what_cannot_be_told_is_named() -> None:
    random, few = np.random.default_rng(0), np.full(48, np.nan)
    few[:10] = random.normal(size=10)
    series = {"few": (STEPS, few), "enough": (STEPS, random.normal(size=48)), "none": (STEPS, np.full(48, np.nan))}
    found = ranked(series, 2000)
    assert ([shift.name for shift in found.shifts], found.untold) == (["enough"], ["few", "none"])
    assert ranked(series, 4600).untold == ["few", "enough", "none"], "two samples are fewer than six"
    assert ranked(series, -1).shifts == []


def test_other_places_are_counted_exactly() -> None:
    """18 samples, 2 on a side, the shift after the first four: places 8 to 16 are 9, without the last 8, then 7."""
    y = np.random.default_rng(0).normal(size=18)
    assert [len(ranked({"x": (np.arange(n), y[:n])}, 4).shifts) for n in (18, 17, 16)] == [1, 1, 0]
    assert PLACES == 8


def test_the_largest_shift_comes_first_whatever_its_sign_and_unit() -> None:
    wave, up = np.random.default_rng(0).normal(size=48), STEPS >= 2000
    series = {"small": (STEPS, 1000 * (wave + up)), "down": (STEPS, wave - 5.0 * up), "up": (STEPS, wave + 3.0 * up)}
    assert [shift.name for shift in ranked(series, 2000).shifts] == ["down", "up", "small"]


def test_a_clean_step_is_measured_in_the_range_and_a_constant_is_left_out() -> None:
    rounded = np.float32(0.1) * (1 + 1e-8 * np.arange(48))
    series = {
        "step": (STEPS, np.where(STEPS < 2000, 1.0, 0.0)), "flat": (STEPS, np.ones(48)), "rounded": (STEPS, rounded),
    }  # fmt: skip
    found = ranked(series, 2000)
    (shift,) = found.shifts
    assert (shift.name, shift.floored, shift.times) == ("step", True, pytest.approx(-1 / FLOOR))
    assert found.untold == []


def test_a_tiny_move_of_a_still_series_ranks_below_a_clear_one() -> None:
    clear = np.where(STEPS >= 2000, 10.0, 0.0) + np.random.default_rng(1).normal(size=48)
    still = np.where(STEPS >= 2000, 0.501, 0.5)
    still[-1] = 0.6
    first, second = ranked({"still": (STEPS, still), "clear": (STEPS, clear)}, 2000).shifts
    assert (first.name, second.name) == ("clear", "still")
    assert abs(second.times) < STANDS_OUT


KINDS = ("white", "Student t 3", "AR 0.5", "AR 0.9", "AR 0.98", "random walk", "random walk with drift")
LENGTHS = (28, 60, 120, 400)


def stood_out(kind: str, n: int, count: int) -> float:
    """Of random series, each at a place drawn at random, the share of those told that stand out."""
    random = np.random.default_rng([len(kind), n])
    drawn = noise(kind.removesuffix(" with drift"), (count, n), random)
    if kind.endswith("drift"):
        drawn = drawn + 0.3 * np.arange(n)
    places = random.integers(6, n - 6, count)
    found = [ranked({"x": (np.arange(n), y)}, at).shifts for y, at in zip(drawn, places, strict=True)]
    return sum(abs(shift.times) >= STANDS_OUT for shifts in found for shift in shifts) / sum(map(len, found))


@pytest.mark.parametrize("kind", KINDS)
def test_noise_seldom_stands_out(kind: str) -> None:
    assert stood_out(kind, 60, 100) <= 0.08


@pytest.mark.slow
def test_how_often_noise_stands_out_is_what_is_stated() -> None:
    measured = {kind: [stood_out(kind, n, EARNED_OF) for n in LENGTHS] for kind in KINDS}
    assert round(max(map(max, measured.values())), 3) == EARNED
    docs = (ROOT / "docs" / "analyses.md").read_text()
    for kind, shares in measured.items():
        assert f"| {kind} | {' | '.join(f'{share:.1%}' for share in shares)} |" in docs
