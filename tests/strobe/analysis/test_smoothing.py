"""Smoothing keeps what is constant; thinning keeps both ends and every spike at every zoom."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strobe.analysis.smoothing import exponential, extremes, running_mean

VALUES = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=200)
UNEVEN = st.lists(
    st.builds(lambda digits, power: digits * 10.0**power, st.floats(-1, 1), st.integers(-20, 20)),
    min_size=1, max_size=200,
)  # fmt: skip
"""Values of very unequal size side by side, as a loss has that exploded once."""
MILLION = 1_000_000


@given(st.floats(-1e300, 1e300), st.integers(1, 300), st.floats(0, 0.9999), st.integers(1, 500))
def test_a_constant_stays_the_constant(value: float, n: int, weight: float, points: int) -> None:
    y = np.full(n, value)
    assert (exponential(y, weight) == value).all()
    assert (running_mean(y, points) == value).all()


@given(UNEVEN, st.integers(1, 50))
def test_a_running_mean_is_the_mean_of_its_neighbours(values: list[float], points: int) -> None:
    y = np.asarray(values)
    windows = [y[max(k - points // 2, 0) : k + (points + 1) // 2] for k in range(len(y))]
    expected = np.array([math.fsum(window) / len(window) for window in windows])
    # As near as one sum of the window's own values comes, whatever stands before and after it.
    allowed = [1e-13 * math.fsum(np.abs(window)) / len(window) for window in windows]
    assert (np.abs(running_mean(y, points) - expected) <= np.array(allowed) + 1e-300).all()


def test_a_window_wider_than_the_curve_is_the_mean_of_all() -> None:
    np.testing.assert_allclose(running_mean([1.0, 2.0, 6.0], 10**12), [3.0, 3.0, 3.0], rtol=1e-15)


@given(VALUES, st.floats(0.01, 0.999))
def test_an_exponential_mean_is_the_weighted_mean_of_the_past(values: list[float], weight: float) -> None:
    y = np.asarray(values)
    expected = [np.average(y[: k + 1], weights=weight ** np.arange(k, -1, -1.0)) for k in range(len(y))]
    np.testing.assert_allclose(exponential(y, weight), expected, rtol=0, atol=1e-9 * max(1.0, np.abs(y).max()))


@pytest.mark.parametrize("at", [0, 500])
def test_what_was_large_once_leaves_no_trace_in_what_is_small_later(at: int) -> None:
    y = 1e-10 * (1 + np.random.default_rng(0).random(5000))
    y[2500:] *= 10
    y[at] = 1e20
    for smooth in (running_mean(y, 51), exponential(y, 0.9)):
        assert ((smooth[-1000:] > 1e-9) & (smooth[-1000:] < 2e-9)).all()


def test_no_smoothing_changes_nothing() -> None:
    y = np.random.default_rng(0).normal(size=50)
    assert np.array_equal(exponential(y, 0), y)
    assert np.allclose(running_mean(y, 1), y)
    assert exponential([], 0.9).size == running_mean([], 3).size == 0


@pytest.mark.parametrize(
    "bad", [lambda: exponential([1], 1.0), lambda: running_mean([1], 0), lambda: extremes([], [], 3)]
)
def test_what_makes_no_sense_is_refused(bad) -> None:
    with pytest.raises(ValueError, match=r"at least|below 1"):
        bad()


def test_stretches_are_equal_in_x_not_in_number() -> None:
    """Sixteen points crowd into the first of two stretches of 1000..1100; four lie in the second."""
    x = np.concatenate([np.linspace(1000, 1049, 16), [1050, 1060, 1070, 1100]])
    y = np.concatenate([np.zeros(16), [5.0, 9, 2, 6]])
    y[[3, 11]] = -1, 1
    assert extremes(x, y, 8).tolist() == [0, 3, 11, 15, 16, 17, 18, 19]
    assert extremes(np.full(9, 7.0), y[2:11], 8).tolist() == [0, 1, 8]


def test_no_more_points_than_asked_for_are_all_kept() -> None:
    flat = np.zeros(8)
    assert extremes(np.arange(8), flat, 8).tolist() == list(range(8))
    assert extremes(np.arange(7), flat[:7], 8).tolist() == list(range(7))
    assert extremes(np.arange(9), np.zeros(9), 8).tolist() == [0, 3, 4, 8]


@settings(max_examples=30)
@given(st.integers(0, MILLION - 1), st.sampled_from([-1.0, 1.0]), st.integers(1, MILLION), st.floats(0, 1))
def test_one_spike_in_a_million_points_is_seen_at_every_zoom(at: int, sign: float, width: int, where: float) -> None:
    y = np.zeros(MILLION)
    y[at] = sign
    first = min(max(at - int(where * width), 0), MILLION - 1)
    window = slice(first, min(max(first + width, at + 1), MILLION))
    x = np.arange(MILLION, dtype=np.float64)[window]
    kept = extremes(x, y[window], 2000)
    assert len(kept) <= 2000
    assert sign in y[window][kept]
    assert {kept[0], kept[-1]} == {0, len(x) - 1}


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)), max_size=300), st.integers(4, 60))
def test_ends_and_extremes_are_kept(pairs: list[tuple[float, float]], points: int) -> None:
    x, y = (np.array(column) for column in zip(*sorted(pairs), strict=True)) if pairs else (np.zeros(0), np.zeros(0))
    kept = extremes(x, y, points)
    assert len(kept) <= points
    assert (np.diff(kept) > 0).all()
    if pairs:
        assert {kept[0], kept[-1]} == {0, len(x) - 1}
        assert (y[kept].min(), y[kept].max()) == (y.min(), y.max())
