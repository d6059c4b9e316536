"""Densities that sum to what they span, bins by Freedman and Diaconis, and none for what has no spread."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.analysis.histogram import FEWEST, MOST, histogram


def test_the_density_of_a_normal_sample() -> None:
    x = np.random.default_rng(0).normal(2.0, 0.5, 40_000)
    found = histogram(x)
    width = np.diff(found.edges)
    assert (found.density * width).sum() == pytest.approx(1 - found.outside)
    assert found.outside == pytest.approx(0.001, abs=2e-4)
    centres = (found.edges[1:] + found.edges[:-1]) / 2
    expected = np.exp(-(((centres - 2) / 0.5) ** 2) / 2) / (0.5 * np.sqrt(2 * np.pi))
    assert np.abs(found.density - expected).max() < 0.05
    # 2 IQR / n^(1/3), IQR = 1.349 sd.
    assert width[0] == pytest.approx(2 * 1.349 * 0.5 / 40_000 ** (1 / 3), rel=0.05)


def test_bins_move_and_scale_with_the_values() -> None:
    x = np.random.default_rng(1).normal(size=5_000)
    one, other = histogram(x), histogram(1e-6 * x + 3e-6)
    assert len(one.density) == len(other.density)
    np.testing.assert_allclose(other.edges, 1e-6 * one.edges + 3e-6, rtol=1e-9, atol=1e-15)


def test_their_number_is_bounded_and_a_far_outlier_does_not_widen_them() -> None:
    assert len(histogram(np.arange(10.0)).density) == FEWEST == 16
    heavy = np.random.default_rng(2).standard_cauchy(100_000)
    assert len(histogram(heavy).density) == MOST == 96
    x = np.append(np.random.default_rng(3).normal(size=10_000), 1e9)
    assert histogram(x).edges[-1] < 10


@pytest.mark.parametrize(
    "values",
    [
        [],
        [np.nan, np.inf],
        [3.0] * 50,
        [1.0, np.nextafter(1, 2)] * 50,
        [1e308, 0, -1e308] * 50,
        [0, 5e-324] * 50,
        [0, 1e-310, 3e-311] * 50,
    ],
)
def test_what_has_no_spread_has_no_bins(values: list[float]) -> None:
    found = histogram(np.array(values))
    assert len(found.density) == len(found.edges) == 0
    assert np.isnan(found.outside)


def test_quarters_that_coincide_give_the_most_bins() -> None:
    x = np.concatenate([np.zeros(800), np.linspace(-1, 1, 200)])
    assert len(histogram(x).density) == MOST


def test_mostly_equal_values_still_have_a_picture() -> None:
    x = np.zeros(10_000)
    x[:3] = [-1, 1, 2]
    found = histogram(x)
    assert (found.edges[0], found.edges[-1]) == (-1, 2)
    assert found.outside == 0
