"""Fewer bits: the error that is stated bounds every value, and what has no place in them is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strobe.share.quantise import HALF_MAX, fits_half, fits_rows, from_rows, max_error, to_half, to_rows
from tests.support.effort import tries

FLOATS = st.sampled_from([np.float16, np.float32, np.float64])
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
TINY, HUGE = float(np.finfo(np.float32).smallest_subnormal), float(np.finfo(np.float32).max)


def arrays(**elements: bool) -> st.SearchStrategy[np.ndarray]:
    return FLOATS.flatmap(lambda dtype: hnp.arrays(dtype, SHAPES, elements=elements or None))


@settings(max_examples=tries(100, 1500), deadline=None)
@given(arrays())
def test_half_precision_keeps_nan_and_infinities_and_states_its_error(values: np.ndarray) -> None:
    if not fits_half(values):
        with pytest.raises(ValueError, match="beyond half precision"):
            to_half(values)
        return
    stored = to_half(values)
    assert stored.shape == values.shape
    assert np.array_equal(np.isnan(stored), np.isnan(values))
    finite = np.isfinite(values)
    assert np.array_equal(np.isfinite(stored), finite)
    far = np.abs(stored[finite].astype(np.float64) - values[finite].astype(np.float64))
    assert (far <= max_error(values, stored)).all()


@settings(max_examples=tries(150, 2000), deadline=None)
@given(arrays(allow_nan=False, allow_infinity=False))
def test_int8_rows_state_their_error_and_no_row_is_off_by_more_than_half_a_level(values: np.ndarray) -> None:
    if not fits_rows(values):
        with pytest.raises(ValueError, match="two axes"):
            to_rows(values)
        return
    stored, scale = to_rows(values)
    assert (stored.dtype, stored.shape, scale.dtype, scale.shape) == (
        np.int8, values.shape, np.float32, values.shape[:-1],
    )  # fmt: skip
    read = from_rows(stored, scale)
    assert np.isfinite(read).all()
    far = np.abs(read.astype(np.float64) - values.astype(np.float64))
    assert (far <= max_error(values, read)).all()
    # A level, what rounding it to float32 moves at 127 levels, and what has no float32 beside 0.
    level = np.abs(values.astype(np.float64)).max(axis=-1, initial=0.0) / 127
    assert (far <= (level * (0.5 + 1e-4) + 130 * TINY)[..., None]).all()


def test_a_row_of_zeros_is_zeros_and_the_largest_and_least_values_are_finite() -> None:
    values = np.array([[0.0, 0.0], [HUGE, -HUGE], [TINY, -TINY], [1.0, -0.5]], np.float32)
    stored, scale = to_rows(values)
    read = from_rows(stored, scale)
    assert (read[0] == 0).all()
    assert scale[0] == 1
    assert np.isfinite(read).all()
    assert max_error(values[1], read[1]) < HUGE * 1e-6
    assert max_error(values[2], read[2]) <= TINY


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_int8_has_no_place_for_what_is_not_finite(value: float) -> None:
    assert not fits_rows(np.array([[1.0, value]]))
    with pytest.raises(ValueError, match="finite"):
        to_rows(np.array([[1.0, value]]))


@pytest.mark.parametrize("shape", [(), (1,), (5,)])
def test_fewer_than_two_axes_have_no_rows(shape: tuple[int, ...]) -> None:
    assert not fits_rows(np.ones(shape))


def test_half_precision_ends_where_it_would_overflow() -> None:
    assert fits_half(np.array([HALF_MAX, -HALF_MAX, np.inf]))
    assert not fits_half(np.array([np.nextafter(HALF_MAX, np.inf)]))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_nothing_is_off_by_nothing(shape: tuple[int, ...]) -> None:
    values = np.zeros(shape, np.float32)
    assert max_error(values, to_half(values)) == 0
    if values.ndim > 1:
        assert max_error(values, from_rows(*to_rows(values))) == 0


def test_a_lost_nan_is_no_error_of_some_size_but_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        max_error(np.array([np.nan, 1.0]), np.array([0.0, 1.0]))
