"""What is kept of curves and steps, on curves whose moments are known."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from strobe.share.thinning import curve_rows, steps_by_information
from tests.support.effort import tries

STEPS = list(range(0, 10_001, 50))


def fall(at: int, width: float = 100.0) -> dict[int, float]:
    """A loss that falls from 4 to 0.01 round a step."""
    return {step: float(4 * 10 ** (-2.6 / (1 + np.exp(-(step - at) / width)))) for step in STEPS}


def test_steps_are_dense_where_the_loss_falls() -> None:
    chosen = steps_by_information(STEPS, 30, [fall(7_000)])
    near = [step for step in chosen if 6_500 <= step <= 7_500]
    assert len(chosen) == 30
    assert len(near) >= 15
    even = steps_by_information(STEPS, 30, [])
    assert len([step for step in even if 6_500 <= step <= 7_500]) <= 5


def test_a_norm_that_moves_elsewhere_has_its_share() -> None:
    chosen = steps_by_information(STEPS, 40, [fall(7_000), fall(2_000)])
    for at in (2_000, 7_000):
        assert len([step for step in chosen if abs(step - at) <= 500]) >= 10


def test_first_last_and_the_onset_are_always_kept() -> None:
    chosen = steps_by_information(STEPS, 5, [fall(500, 10)], [9_123])
    assert {0, 10_000, 9_100} <= set(chosen)
    assert len(chosen) == 5
    assert steps_by_information(STEPS, 2, [fall(500)], [9_123]) == [0, 9_100, 10_000]


def test_few_steps_are_all_kept_and_an_onset_before_the_first_is_none() -> None:
    assert steps_by_information([3, 5, 9], 3, []) == [3, 5, 9]
    assert steps_by_information([3, 5, 9, 11], 3, [], [1])[0] == 3


def test_curves_that_tell_nothing_leave_even_steps() -> None:
    nothing = {0: float("nan"), 5_000: -1.0, 10_000: float("inf")}
    assert steps_by_information(STEPS, 11, [nothing, {}]) == steps_by_information(STEPS, 11, [])
    gaps = np.diff(steps_by_information(STEPS, 11, []))
    assert gaps.max() <= 2 * gaps.min()


VALUES = st.lists(
    st.one_of(st.floats(-1e6, 1e6), st.sampled_from([float("nan"), float("inf"), -float("inf")])), min_size=0,
    max_size=400,
)  # fmt: skip


@settings(max_examples=tries(100, 1500), deadline=None)
@given(VALUES, st.integers(4, 60))
def test_extremes_ends_and_stretches_that_are_not_finite_stay(values: list[float], most: int) -> None:
    given = np.array(values, np.float64)
    rows = curve_rows(given, most)
    kept = given[rows]
    assert (np.diff(rows) > 0).all()
    if not len(given):
        return
    assert {0, len(given) - 1} <= set(rows.tolist())
    finite = given[np.isfinite(given)]
    if finite.size:
        assert kept[np.isfinite(kept)].min() == finite.min()
        assert kept[np.isfinite(kept)].max() == finite.max()
    for test in (np.isnan, np.isposinf, np.isneginf):
        assert test(kept).any() == test(given).any()
    assert np.isfinite(kept).sum() <= max(most, 4) + 2


def test_a_spike_between_buckets_survives_and_a_long_nan_is_two_points() -> None:
    values = np.ones(100_000)
    values[54_321], values[70_000:80_000] = 9.0, np.nan
    rows = curve_rows(values, 1_000)
    assert 54_321 in rows
    assert {70_000, 79_999} <= set(rows.tolist())
    assert len(rows) <= 1_004
