"""What noise gets: each reference against its definition, how often noise exceeds its bound, and that circles do."""

from __future__ import annotations

import numpy as np
import pytest

from strobe.analysis.circle_chance import (
    ORDER_TRIALS,
    TRIALS,
    UNKNOWN,
    _best_circles,
    _clouds,
    _roundness,
    of_alignment,
    of_circles,
    of_cloud,
)
from strobe.analysis.fourier import basis
from strobe.analysis.geometry import fourier_alignment
from strobe.analysis.projection import circularity, pca

P = 17
RNG = np.random.default_rng(5)


def stretched(n: int, d: int, seed: int, power: float = 1.0) -> np.ndarray:
    """Gaussian rows whose columns have standard deviations 1, 2^-power, 3^-power, ..."""
    return np.random.default_rng(seed).normal(size=(n, d)) * np.arange(1, d + 1) ** -power


def circle(n: int, k: int, d: int, noise: float, seed: int = 0) -> np.ndarray:
    angle = 2 * np.pi * k * np.arange(n) / n
    points = np.zeros((n, d))
    points[:, :2] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points + noise * np.random.default_rng(seed).normal(size=(n, d))


def best_circle(rows: np.ndarray) -> float:
    """By the definition: in the plane of each frequency's two components, in the order k x mod p."""
    p, waves, rows = len(rows), basis(len(rows)), rows - rows.mean(axis=0)
    scores = []
    for k in range(1, (p - 1) // 2 + 1):
        axes = np.linalg.qr((waves.matrix[waves.frequency == k] @ rows).T)[0]
        scores.append(circularity(rows @ axes, k * np.arange(p) % p))
    return max(scores)


@pytest.mark.parametrize("ratio", [1.0, 0.6, 0.1])
def test_the_roundness_of_a_cloud_is_its_circularity(ratio: float) -> None:
    clouds = _clouds(20, False)[:5] * [1.0, ratio]
    expected = [circularity(cloud) for cloud in clouds]
    assert _roundness(clouds) * ratio**2 == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("p", [P, 12])
def test_the_best_circle_follows_the_definition(p: int) -> None:
    rows = stretched(p, 6, 3)
    u, s, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    assert _best_circles((u * s)[None], s**2) == pytest.approx([best_circle(rows)], rel=1e-9)


def test_trials_are_as_stretched_as_the_points() -> None:
    for power in (0.0, 1.0):
        points = stretched(60, 2, 1, power)
        s = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        mine = np.linalg.svd(_clouds(60, False) * [1.0, s[1] / s[0]], compute_uv=False)
        assert mine[:, 1] / mine[:, 0] == pytest.approx(np.full(TRIALS, s[1] / s[0]))
    round_, long = (of_cloud(stretched(60, 2, 1, power)) for power in (0.0, 1.0))
    assert long.bound < 0.5 * round_.mean, "a long cloud is no circle, however it lies"


def test_the_same_points_get_the_same_bound() -> None:
    points = stretched(30, 5, 0)
    assert of_cloud(points) == of_cloud(points.copy())
    assert of_circles(points) == of_circles(points.copy())
    assert of_cloud(points * 7 + 3) == pytest.approx(of_cloud(points))


def exceeded(scores: list[tuple[float, float]]) -> float:
    return float(np.mean([score > bound for score, bound in scores]))


def clouds_beyond(many: int) -> float:
    frames = [pca(stretched(40, 6, seed)).points for seed in range(many)]
    return exceeded([(circularity(points), of_cloud(points).bound) for points in frames])


def circles_beyond(many: int) -> float:
    frames = [stretched(P, 8, seed) for seed in range(many)]
    return exceeded([(best_circle(rows), of_circles(rows).bound) for rows in frames])


def alignments_beyond(many: int) -> float:
    frames = [pca(stretched(P, 6, seed)).points for seed in range(many)]
    return exceeded([(fourier_alignment(points)[0], of_alignment(points).bound) for points in frames])


@pytest.mark.parametrize("measured", [clouds_beyond, alignments_beyond])
def test_noise_exceeds_its_bound_about_once_in_twenty(measured: object) -> None:
    assert 0.01 <= measured(200) <= 0.1  # type: ignore[operator]


def test_the_best_of_all_circles_of_noise_exceeds_its_bound_as_rarely() -> None:
    frames = [stretched(P, 8, seed) for seed in range(40)]
    scores, chances = [best_circle(rows) for rows in frames], [of_circles(rows, 100) for rows in frames]
    assert exceeded([(score, chance.bound) for score, chance in zip(scores, chances, strict=True)]) <= 0.15
    assert exceeded([(score, chance.mean) for score, chance in zip(scores, chances, strict=True)]) >= 0.25, (
        "the mean is no bound"
    )


@pytest.mark.slow
@pytest.mark.parametrize("measured", [clouds_beyond, circles_beyond, alignments_beyond])
def test_one_in_twenty_of_a_thousand(measured: object) -> None:
    assert 0.03 <= measured(1000) <= 0.07  # type: ignore[operator]


def test_a_planted_circle_is_beyond_every_bound() -> None:
    rows = circle(P, 3, 8, 0.1)
    plane = pca(rows).points
    assert best_circle(rows) > of_circles(rows).bound
    assert fourier_alignment(plane)[0] > of_alignment(plane).bound
    assert circularity(plane) > of_cloud(plane).bound
    shuffled = rows[np.random.default_rng(1).permutation(P)]
    assert best_circle(shuffled) <= of_circles(shuffled).bound, "in another order it is no circle of residues"


def test_a_filled_ellipse_is_rounder_than_a_gaussian_one() -> None:
    points = circle(50, 1, 2, 0.3)
    assert of_cloud(points, filled=True).mean > of_cloud(points).mean


@pytest.mark.parametrize("points", [
    np.zeros((5, 3)), np.outer(np.arange(9.0), [1, 2]), np.full((9, 2), np.nan), np.zeros((2, 2)),
])  # fmt: skip
def test_what_cannot_be_simulated_is_unknown(points: np.ndarray) -> None:
    for found in (of_cloud(points), of_circles(points)):
        assert np.isnan(found).all()
    assert np.isnan(UNKNOWN).all()
    assert ORDER_TRIALS >= 100


def test_where_so_few_points_cannot_exceed_the_bound_it_is_unknown() -> None:
    assert all(np.isnan(of_cloud(stretched(3, d, seed))).all() for d in (2, 4) for seed in range(5))
    assert all(np.isnan(of_alignment(circle(n, 1, 2, 0.1))).all() for n in (3, 4, 5))
    assert np.isnan(of_circles(stretched(5, 4, 0))).all()
    for chance in (of_cloud(stretched(4, 2, 0)), of_alignment(circle(7, 1, 2, 0.1)), of_circles(stretched(7, 4, 0))):
        assert chance.mean < chance.bound < 1


@pytest.mark.parametrize("n", [4, 5, 6])
def test_a_few_points_of_noise_seldom_exceed_the_bound_and_a_circle_does(n: int) -> None:
    frames = [stretched(n, 2, seed) for seed in range(200)]
    assert exceeded([(circularity(points), of_cloud(points).bound) for points in frames]) <= 0.1
    assert circularity(circle(n, 1, 2, 0)) > of_cloud(circle(n, 1, 2, 0)).bound
