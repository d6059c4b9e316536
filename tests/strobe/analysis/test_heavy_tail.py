"""Power laws of tails against samples whose law is known, and against other laws."""

import numpy as np
import pytest

from strobe.analysis.heavy_tail import RULED_OUT, heavy_tail


@pytest.mark.parametrize("alpha", [2.0, 3.0, 5.0])
def test_a_planted_power_law(alpha):
    x = (1 - np.random.default_rng(3).random(2000)) ** (-1 / (alpha - 1))
    fit = heavy_tail(np.sqrt(x), replicates=0)
    assert fit.alpha == pytest.approx(alpha, rel=0.1)
    assert fit.ks < 0.03
    assert fit.n >= 500
    assert fit.note == ""


def test_a_tail_above_a_body():
    """2,000 values spread evenly below 1, and a power law from 1 on."""
    rng = np.random.default_rng(0)
    tail = (1 - rng.random(1000)) ** (-1 / 1.5)
    fit = heavy_tail(np.sqrt(np.concatenate([rng.random(2000), tail])), replicates=0)
    assert fit.alpha == pytest.approx(2.5, rel=0.1)
    assert fit.xmin == pytest.approx(1, rel=0.3)


SPECTRA = [np.round(np.random.default_rng(seed).pareto((0.3, 2)[seed % 2], 60) + 1, 1) for seed in range(6)]
"""Rounded, so that many eigenvalues are equal."""
NINE = np.append(np.linspace(1, 1.5, 51), 5 * (1 - (np.arange(9) + 0.3) / 9) ** (-1 / 1.5))
"""Only the nine largest are a power law, and nine are too few to be a tail."""
TEN = np.append(np.linspace(1, 1.5, 51), 5 * (1 - (np.arange(10) + 0.3) / 10) ** (-1 / 1.5))


@pytest.mark.parametrize("x", [*SPECTRA, NINE, TEN])
def test_a_tail_follows_the_definition(x):
    """Every value with ten at or above it tried as xmin, by loops."""
    x = np.sort(x)
    tried = []
    for xmin in (value for value in np.unique(x) if (x >= value).sum() >= 10):
        tail = x[x >= xmin]
        exponent = len(tail) / np.log(tail / xmin).sum()
        fitted = 1 - (tail / xmin) ** -exponent
        ks = max(max((i + 1) / len(tail) - F, F - i / len(tail)) for i, F in enumerate(fitted))
        tried.append((ks, 1 + exponent, xmin, len(tail)))
    fit = heavy_tail(np.sqrt(x), replicates=0)
    assert (fit.ks, fit.alpha, fit.xmin, fit.n) == pytest.approx(min(tried), rel=1e-9)


def test_tails_that_are_not_fitted():
    few = heavy_tail(np.arange(1.0, 50))
    assert few.note == "not enough eigenvalues: 49, at least 50 are needed"
    assert few.n == 49
    assert np.isnan(few.alpha)
    assert heavy_tail(np.arange(1.0, 51), replicates=0).note == ""
    assert heavy_tail(np.r_[np.arange(1.0, 50), np.zeros(9)]).n == 49
    assert heavy_tail(np.ones(60)).note == "all eigenvalues are equal"
    assert "not finite" in heavy_tail(np.array([1.0, np.nan])).note


def power_law(n, seed, alpha=2.5, body=0.5):
    """Singular values of n eigenvalues: a power law from 1 on, and a share `body` of them evenly below it."""
    rng = np.random.default_rng(seed)
    below = int(n * body)
    return np.sqrt(np.r_[rng.uniform(0.1, 1, below), (1 - rng.random(n - below)) ** (-1 / (alpha - 1))])


def law_with_an_end(n, seed):
    """Eigenvalues between 1 and 2 whose density rises to a sharp end: the largest have no tail."""
    return np.sqrt(1 + np.sqrt(np.random.default_rng(seed).uniform(size=n)))


def ruled_out(sample, many, n, replicates=100):
    return np.mean([heavy_tail(sample(n, seed), replicates=replicates).p < RULED_OUT for seed in range(many)])


def test_a_power_law_is_seldom_ruled_out():
    assert ruled_out(power_law, 30, 100) <= 0.2


def test_a_law_with_an_end_is_mostly_ruled_out():
    assert ruled_out(law_with_an_end, 20, 200, 50) >= 0.6


@pytest.mark.slow
def test_a_power_law_is_ruled_out_in_one_case_of_ten_and_a_law_with_an_end_in_most():
    assert ruled_out(power_law, 300, 150, 200) <= 0.13
    assert ruled_out(law_with_an_end, 50, 500, 200) >= 0.6


def test_p_is_the_same_each_time_and_has_the_values_that_its_replicates_allow():
    s = power_law(80, 1)
    assert heavy_tail(s, replicates=50).p == heavy_tail(s * 3, replicates=50).p
    assert heavy_tail(s, replicates=50).p * 51 == pytest.approx(round(heavy_tail(s, replicates=50).p * 51))
    assert np.isnan(heavy_tail(s, replicates=0).p)


def test_of_many_eigenvalues_a_hundred_starts_are_tried():
    s = power_law(3000, 0)
    fit = heavy_tail(s, replicates=0)
    assert fit.alpha == pytest.approx(2.5, rel=0.1)
    ranks = np.linspace(0, 3000 - 10, 100).round()
    assert 3000 - fit.n in ranks


@pytest.mark.parametrize("power", [-1050, 900])
def test_squares_beyond_float64_leave_the_fit_as_it_is(power: int) -> None:
    s = np.linspace(1, 3, 80) ** 2
    one, other = heavy_tail(s, replicates=5), heavy_tail(np.ldexp(s, power), replicates=5)
    assert (other.alpha, other.ks, other.n, other.p) == pytest.approx((one.alpha, one.ks, one.n, one.p))
    assert np.isnan(other.xmin)
    assert (one.note, other.note) == ("", "xmin is beyond the range of float64")
