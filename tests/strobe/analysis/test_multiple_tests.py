"""Corrected p of many tests, beside the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strobe.analysis.multiple_tests import benjamini_yekutieli


def test_a_known_example() -> None:
    """Ranks 1, 3, 2 of three tests: 3 / rank times 1 + 1/2 + 1/3, and never above what a larger p gets."""
    harmonic = 1 + 1 / 2 + 1 / 3
    corrected = benjamini_yekutieli(np.array([0.01, 0.04, 0.03]))
    assert corrected == pytest.approx([0.01 * 3 * harmonic, 0.04 * harmonic, 0.04 * harmonic])


def test_one_test_and_none() -> None:
    assert benjamini_yekutieli(np.array([0.2])) == pytest.approx([0.2])
    assert benjamini_yekutieli(np.zeros(0)).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([0.01, 0.05, 0.2]))
def test_what_is_below_a_level_is_what_the_step_up_rule_rejects(p: list[float], level: float) -> None:
    ordered, n = np.sort(p), len(p)
    bounds = level * np.arange(1, n + 1) / (n * sum(1 / i for i in range(1, n + 1)))
    passed = np.flatnonzero(ordered <= bounds * (1 + 1e-9))
    largest = ordered[passed[-1]] if len(passed) else -1.0
    corrected = benjamini_yekutieli(np.array(p))
    assert ((corrected <= level * (1 + 1e-9)) == (np.array(p) <= largest)).all()
    assert ((corrected >= np.array(p) * (1 - 1e-12)) & (corrected <= 1)).all()
