"""The edge of random entries: how seldom noise crosses it, and that planted directions are counted exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strobe.analysis.random_edge import RandomEdge, marchenko_pastur, random_edge

SHAPES = [(64, 64), (128, 64), (60, 400)]


def measured(W: np.ndarray) -> RandomEdge:
    return random_edge(np.linalg.svd(W, compute_uv=False), W.shape)


def planted(shape: tuple[int, int], rank: int, strength: float, seed: int, sigma: float = 0.02) -> np.ndarray:
    """Noise and `rank` directions, each `strength` times the least that shows: sigma (m n)^(1/4) (Baik, Ben Arous and
    Peche 2005; Benaych-Georges and Nadakuditi 2012)."""
    random, (m, n) = np.random.default_rng(seed), shape
    left, right = (np.linalg.qr(random.normal(size=(size, max(rank, 1))))[0][:, :rank] for size in shape)
    return sigma * (random.normal(size=shape) + strength * (m * n) ** 0.25 * left @ right.T)


def false_alarms(shape: tuple[int, int], many: int, kind: str = "normal") -> float:
    random = np.random.default_rng(11)
    draw = random.normal if kind == "normal" else lambda size: random.uniform(-1, 1, size)
    return float(np.mean([measured(draw(size=shape)).beyond > 0 for _ in range(many)]))


@pytest.mark.parametrize("q", [1.0, 0.5, 0.05])
def test_the_law_has_the_moments_that_are_known(q: float) -> None:
    law = marchenko_pastur(q)
    x, weight = (law.x[1:] + law.x[:-1]) / 2, np.diff(law.below)
    assert (law.x[0], law.x[-1]) == pytest.approx(((1 - math.sqrt(q)) ** 2, (1 + math.sqrt(q)) ** 2))
    assert [(weight * x**k).sum() for k in (1, 2, 3)] == pytest.approx([1, 1 + q, 1 + 3 * q + q * q], rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise_seldom_crosses_the_edge(shape: tuple[int, int], kind: str) -> None:
    assert false_alarms(shape, 60, kind) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("shape", [*SHAPES, (50, 50), (384, 128), (128, 97), (512, 512)])
def test_noise_crosses_the_edge_in_at_most_one_case_of_twenty_among_many(shape: tuple[int, int]) -> None:
    assert false_alarms(shape, 150 if min(shape) > 200 else 1000) <= 0.04


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [0, 1, 5, 20])
def test_planted_directions_are_counted_exactly(shape: tuple[int, int], rank: int) -> None:
    found = [measured(planted(shape, rank, 2.5, seed)) for seed in range(5)]
    assert [one.beyond for one in found] == [rank] * 5
    assert np.mean([one.sigma for one in found]) == pytest.approx(0.02, rel=0.04)
    assert all(one.edge == pytest.approx(one.sigma * sum(map(math.sqrt, shape)), rel=0.2) for one in found)
    assert all(one.looks_random for one in found)


def test_below_the_threshold_nothing_can_be_seen() -> None:
    assert measured(planted((128, 128), 5, 0.7, 0)).beyond == 0


def test_the_size_of_the_planted_directions_does_not_move_the_edge() -> None:
    weak, strong = (measured(planted((100, 80), 10, strength, 3)) for strength in (3, 300))
    assert strong.edge == pytest.approx(weak.edge, rel=0.02)
    assert (weak.beyond, strong.beyond) == (10, 10)


def test_a_bulk_of_another_shape_is_told_from_random_entries() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(size=(256, 128))
    assert measured(noise).looks_random
    uneven = measured(np.exp(0.4 * random.normal(size=(256, 1))) * noise)
    assert uneven.beyond > 0
    assert not uneven.looks_random, "rows of different size explain it as well as something learned would"


def test_where_much_lies_beyond_there_is_no_bulk() -> None:
    random = np.random.default_rng(0)
    for W in (
        np.exp(random.normal(size=(128, 1))) * random.normal(size=(128, 128)),
        np.diag(np.exp(-np.arange(100.0))),
    ):
        assert measured(W).note


@pytest.mark.parametrize("shape", SHAPES)
def test_noise_passes_for_noise(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(2)
    assert np.mean([measured(random.normal(size=shape)).looks_random for _ in range(60)]) >= 0.95


@pytest.mark.parametrize("scale", [1e-200, 1e-5, 1e200])
def test_the_unit_of_the_weights_is_the_unit_of_the_edge(scale: float) -> None:
    s = np.linalg.svd(planted((80, 60), 3, 3, 0), compute_uv=False)
    one, other = random_edge(s, (80, 60)), random_edge(s * scale, (60, 80))
    assert (other.edge / scale, other.sigma / scale) == pytest.approx((one.edge, one.sigma), rel=1e-9)
    assert (one.beyond, one.ks) == pytest.approx((other.beyond, other.ks))


@pytest.mark.parametrize(("s", "shape", "note"), [
    (np.ones(49), (49, 80), "not enough singular values: 49, at least 50 are needed"),
    (np.r_[np.ones(20), np.zeros(40)], (60, 60), "half of the singular values are 0, so there is no bulk"),
    (np.zeros(60), (60, 60), "half of the singular values are 0, so there is no bulk"),
    (np.r_[np.ones(59), np.nan], (60, 60), "a singular value is not finite"),
    (np.exp(np.linspace(0, 20, 60)), (60, 6000), "more than a third of the singular values lie beyond the edge"),
])  # fmt: skip
def test_where_there_is_no_edge_the_reason_is_given(s: np.ndarray, shape: tuple[int, int], note: str) -> None:
    found = random_edge(s, shape)
    assert found.note.startswith(note)
    assert np.isnan([found.sigma, found.edge, found.ks]).all()
