"""Drifts off the grid: each family places a curve of its own, as well as the true one fits."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.analysis.drift_curves import FAMILIES, Products

N = 200
PLACE = np.arange(N)
TRUE = {
    "exponential": np.exp(-PLACE / 31.0),
    "late exponential": np.exp((PLACE - N + 1) / 23.0),
    "power": (PLACE + 5.5) ** -0.8,
    "rising power": (PLACE + 2.2) ** 0.45,
}


def products(x: np.ndarray) -> Products:
    """In white noise, beside a level."""

    def made(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        centred = columns - columns.mean(0)
        return centred.T @ x, centred.T @ centred

    return made


def left(x: np.ndarray, curve: np.ndarray) -> float:
    """The sum of squares that a level and an amount of the curve leave of x."""
    design = np.stack([np.ones(len(x)), curve], axis=1)
    return float(((x - design @ np.linalg.lstsq(design, x, rcond=None)[0]) ** 2).sum())


@pytest.mark.parametrize("name", TRUE)
def test_a_family_finds_its_own(name: str) -> None:
    x = 3 - 2 * TRUE[name]
    assert left(x, FAMILIES[name].best(products(x), N)) <= 1e-5 * left(x, PLACE)


@pytest.mark.parametrize("n", [120, 400])
def test_a_sum_of_two_exponentials_is_never_placed_worse_than_the_true_one(n: int) -> None:
    place = np.arange(n)
    for seed in range(40):
        random = np.random.default_rng(seed)
        fast, slow, share = random.uniform(3, 10), n * random.uniform(0.4, 1.5), random.uniform(0.2, 1)
        true = np.exp(-place / fast) + share * np.exp(-place / slow)
        x = true + 0.01 * random.standard_normal(n)
        assert left(x, FAMILIES["two exponentials"].best(products(x), n)) <= left(x, true)
