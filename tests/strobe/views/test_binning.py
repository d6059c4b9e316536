"""Bins of a matrix against means taken one by one."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.views.binning import bin_size, bin_words, binned


@pytest.mark.parametrize(
    ("shape", "most", "bins"),
    [((7, 5), 3, (3, 2)), ((4, 9), 2, (2, 5)), ((6, 6), 3, (2, 2)), ((1, 10), 4, (1, 3)), ((3, 4), 4, (1, 1))],
)
def test_bins_are_means_in_float64(shape: tuple[int, int], most: int, bins: tuple[int, int]) -> None:
    """The sums of a bin leave the range of half precision; the last bins are smaller."""
    values = (30_000 + 1000 * np.random.default_rng(0).random(shape)).astype(np.float16)
    small, found = binned(values, most)
    assert found == bin_size(shape, most) == bins
    exact = values.astype(np.float64)
    rows, columns = (range(0, side, by) for side, by in zip(shape, bins, strict=True))
    expected = [[exact[i : i + bins[0], j : j + bins[1]].mean() for j in columns] for i in rows]
    np.testing.assert_allclose(small, expected, rtol=1e-14)
    assert small.dtype == np.float64


def test_the_size_of_a_bin_in_words() -> None:
    assert (bin_size((192, 193)), bin_words((1, 2))) == ((1, 2), "Each cell is the mean of 1 × 2 weights.")
    assert bin_words((1, 1)) == ""
