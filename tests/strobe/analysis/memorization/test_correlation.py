"""Planted relations are found inside their intervals; what cannot be told is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strobe.analysis.memorization.correlation import area_under_curve, correlation, early_and_late, ranks


def planted(r: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    return x, r * x + math.sqrt(1 - r * r) * noise


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_a_planted_correlation_lies_inside_its_interval(kind: str) -> None:
    true = -0.8 if kind == "pearson" else 6 / math.pi * math.asin(-0.8 / 2)
    inside = [o.low <= true <= o.high for o in (correlation(*planted(-0.8, 60, s), kind) for s in range(200))]  # type: ignore[arg-type]
    assert 0.91 <= np.mean(inside) <= 0.99
    assert correlation(*planted(-0.8, 60, 0), kind).p < 1e-6  # type: ignore[arg-type]


def test_chances_of_noise_are_even() -> None:
    p = [correlation(*np.random.default_rng(s).normal(size=(2, 25))).p for s in range(300)]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.075


def test_fewer_than_ten_are_too_few() -> None:
    assert correlation(np.arange(9.0), np.arange(9.0)).reason == "too few: 9 of at least 10"
    assert "the same everywhere" in correlation(np.arange(12.0), np.ones(12)).reason
    gap = np.array([math.nan] * 3 + [1.0] * 9)
    assert "too few: 9" in correlation(np.arange(12.0), gap).reason


def test_equal_values_share_their_rank() -> None:
    assert ranks(np.array([5.0, 1.0, 5.0, 7.0])).tolist() == [2.5, 1.0, 2.5, 4.0]


def test_each_early_layer_stands_beside_each_late_one() -> None:
    early = np.random.default_rng(0).normal(size=(30, 2))
    table = early_and_late(early, np.column_stack([early[:, 1], -early[:, 0], np.zeros(30)]))
    assert next([round(cell.effect, 6) for cell in row[:2]] for row in table)[1] == -1
    assert table[1][0].effect == pytest.approx(1)
    assert table[0][2].reason


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    found = area_under_curve(np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10.0]), np.arange(10) >= 5)
    assert found.effect == 1.0
    assert 0.5 < found.low < 1.0
    assert found.high == 1.0
    assert found.p < 0.01
    tied = area_under_curve(np.tile([1.0, 2.0], 6), np.arange(12) % 4 < 2)
    assert tied.effect == 0.5
    assert tied.p == 1.0
    assert "too few: 4 and 8" in area_under_curve(np.arange(12.0), np.arange(12) < 4).reason
    assert area_under_curve(np.zeros(12), np.arange(12) < 6).reason == "every score is the same"


def test_the_area_of_shifted_groups_lies_inside_its_interval() -> None:
    true, inside = 0.5 * math.erfc(-1 / 2), []
    for seed in range(300):
        scores = np.random.default_rng(seed).normal(size=60)
        found = area_under_curve(scores + (np.arange(60) < 30), np.arange(60) < 30)
        inside.append(found.low <= true <= found.high)
    assert 0.92 <= np.mean(inside) <= 0.985
