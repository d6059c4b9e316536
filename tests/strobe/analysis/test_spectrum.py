"""Singular values, ranks and tails against matrices whose spectra are known."""

import numpy as np
import pytest

from strobe.analysis import spectrum


def with_spectrum(m, n, s, seed=0):
    rng = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng.standard_normal((m, len(s))))
    right, _ = np.linalg.qr(rng.standard_normal((n, len(s))))
    return (left * s) @ right.T


@pytest.mark.parametrize(("m", "n"), [(20, 30), (300, 200), (200, 300)])
def test_planted_singular_values(m, n):
    s = np.geomspace(1, 1e-5, min(m, n))
    found = spectrum.singular_values(with_spectrum(m, n, s))
    assert found.method == ("svd" if m * n < spectrum.DIRECT else "gram")
    assert (np.abs(found.values - s) / s).max() < 1e-6
    assert (np.abs(found.values - s) <= found.error).all()
    assert (found.error / s).max() < 1e-4


def test_extreme_scales_and_zeros():
    W = with_spectrum(200, 300, np.linspace(2, 1, 200))
    for scale in (1e-250, 1e250):
        found = spectrum.singular_values(W * scale)
        assert found.values[0] == pytest.approx(2 * scale, rel=1e-12)
        assert found.error[0] == pytest.approx(spectrum.singular_values(W).error[0] * scale, rel=1e-6)
    assert not spectrum.singular_values(np.zeros((3, 4))).values.any()
    assert np.isnan(spectrum.singular_values(np.array([[1.0, np.nan]])).values).all()
    with pytest.raises(ValueError, match="not shape"):
        spectrum.singular_values(np.zeros(3))


def test_ranks():
    one = spectrum.singular_values(np.outer([1.0, 2, 3], [1.0, 1])).values
    three = np.ones(3)
    for rank in (spectrum.participation_ratio, spectrum.stable_rank, spectrum.effective_rank):
        assert rank(one) == pytest.approx(1)
        assert rank(three) == pytest.approx(3)
        assert rank(three * 1e-200) == pytest.approx(3)
        assert rank(np.append(three, 0)) == pytest.approx(3)
        assert np.isnan(rank(np.array([1, np.nan])))
        assert np.isnan(rank(np.array([1, np.inf])))
        assert np.isnan(rank(np.zeros(3)))
    s = np.array([2.0, 1.0])
    assert spectrum.participation_ratio(s) == pytest.approx(9 / 5)
    assert spectrum.stable_rank(s) == pytest.approx(5 / 4)
    assert spectrum.effective_rank(s) == pytest.approx(np.exp(-2 / 3 * np.log(2 / 3) - 1 / 3 * np.log(1 / 3)))


@pytest.mark.parametrize("alpha", [2.0, 3.0, 5.0])
def test_a_planted_power_law(alpha):
    x = (1 - np.random.default_rng(3).random(2000)) ** (-1 / (alpha - 1))
    fit = spectrum.heavy_tail(np.sqrt(x))
    assert fit.alpha == pytest.approx(alpha, rel=0.1)
    assert fit.ks < 0.03
    assert fit.n >= 500
    assert fit.note == ""


def test_a_tail_above_a_body():
    """2,000 values spread evenly below 1, and a power law from 1 on."""
    rng = np.random.default_rng(0)
    tail = (1 - rng.random(1000)) ** (-1 / 1.5)
    fit = spectrum.heavy_tail(np.sqrt(np.concatenate([rng.random(2000), tail])))
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
    fit = spectrum.heavy_tail(np.sqrt(x))
    assert (fit.ks, fit.alpha, fit.xmin, fit.n) == pytest.approx(min(tried), rel=1e-9)


def test_tails_that_are_not_fitted():
    few = spectrum.heavy_tail(np.arange(1.0, 50))
    assert few.note == "not enough eigenvalues: 49, at least 50 are needed"
    assert few.n == 49
    assert np.isnan(few.alpha)
    assert spectrum.heavy_tail(np.arange(1.0, 51)).note == ""
    assert spectrum.heavy_tail(np.r_[np.arange(1.0, 50), np.zeros(9)]).n == 49
    assert spectrum.heavy_tail(np.ones(60)).note == "all eigenvalues are equal"
    assert "not finite" in spectrum.heavy_tail(np.array([1.0, np.nan])).note
