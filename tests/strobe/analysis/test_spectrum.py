"""Singular values and ranks against matrices whose spectra are known."""

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


def test_a_value_beyond_float64_is_told_from_a_weight_that_is_not_finite():
    found = spectrum.singular_values(np.full((5, 5), 1.5e308)).values
    assert np.isinf(found[0])
    assert spectrum.why_none(found) == "a singular value is beyond the range of float64"
    broken = spectrum.singular_values(np.array([[1.0, np.inf]])).values
    assert spectrum.why_none(broken) == "a weight is not finite"
    assert spectrum.why_none(np.ones(3)) == ""


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
