"""Known answers of the compression score, and its exact search beside plain float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from strobe.analysis.memorization.compression import (
    FLOOR,
    NEIGHBOURS,
    nearest_neighbours,
    passage_means,
    prefix_classes,
    token_scores,
)

Array = np.ndarray[Any, Any]


def brute_neighbours(points: Array, k: int, every: int = 1) -> Array:
    wide = points.astype(np.float64)
    rows = []
    for i in range(0, len(wide), every):
        distance = ((wide - wide[i]) ** 2).sum(1)
        order = np.lexsort((np.arange(len(wide)), distance))
        rows.append(order[order != i][:k])
    return np.array(rows)


def brute_scores(before: Array, after: Array, k: int = NEIGHBOURS) -> Array:
    spread = after.astype(np.float64)[brute_neighbours(before, k)].var(1).sum(1)
    return np.asarray(-np.log(spread + FLOOR))


def states(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(3.0, 1.0, shape).astype(np.float32)


def test_states_that_are_all_equal_score_minus_log_of_the_floor() -> None:
    scores = token_scores([states(40, 6), np.full((40, 6), 2.5, np.float32)])
    assert scores == pytest.approx(np.full((1, 40), 23.0259), abs=5e-5)


@pytest.mark.parametrize("scale", [0.25, 3.0])
def test_scaling_what_follows_moves_the_score_by_two_logs(scale: float) -> None:
    before, after = states(60, 8), states(60, 8, seed=1)
    one, other = token_scores([before, after]), token_scores([before, (after * np.float32(scale)).astype(np.float32)])
    assert one - other == pytest.approx(2 * math.log(scale), abs=1e-5)


@pytest.mark.parametrize("kind", ["plain", "ties", "far off", "one direction"])
def test_neighbours_are_those_of_plain_float64(kind: str) -> None:
    points = states(1100, 12)
    if kind == "ties":
        points = np.round(points)
    elif kind == "far off":
        points[0] += 3000
    elif kind == "one direction":
        points = points * np.float32(1e-4) + np.float32(50)
    assert (nearest_neighbours(points, NEIGHBOURS)[::7] == brute_neighbours(points, NEIGHBOURS, 7)).all()


def test_scores_are_those_of_plain_float64() -> None:
    layers = [states(500, 24, seed=k) for k in range(3)]
    expected = [brute_scores(layers[0], layers[1]), brute_scores(layers[1], layers[2])]
    assert np.abs(token_scores(layers) - expected).max() < 1e-5


def test_a_token_is_left_out_by_its_index_and_not_by_its_place() -> None:
    points = np.zeros((NEIGHBOURS + 2, 3), np.float32)
    assert nearest_neighbours(points, 2)[:3].tolist() == [[1, 2], [0, 2], [0, 1]]


def test_tokens_of_one_prefix_are_one_point() -> None:
    passages = [[1, 2, 3], [1, 2, 4], [5, 2, 3]]
    classes = prefix_classes(passages)
    assert classes.tolist() == [0, 1, 2, 0, 1, 3, 4, 5, 6]
    before, after = states(7, 4), states(7, 4, seed=1)
    back = np.array([0, 1, 2, 0, 1, 3, 4, 5, 6])
    whole = token_scores([before[back], after[back]], classes, k=3)
    assert whole[0] == pytest.approx(brute_scores(before, after, 3)[back])
    assert whole[0] != pytest.approx(token_scores([before[back], after[back]], k=3)[0])


def test_a_passage_has_the_mean_of_its_tokens() -> None:
    assert passage_means(np.array([1.0, 3.0, 10.0]), [2, 1]).tolist() == [2.0, 10.0]
    with pytest.raises(ValueError, match="3 scores are not those"):
        passage_means(np.ones(3), [2, 2])


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ValueError, match="10 points have no 15 neighbours"):
        nearest_neighbours(states(10, 3), 15)
    bad = states(40, 3)
    bad[7, 1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        nearest_neighbours(bad, 5)
    with pytest.raises(ValueError, match="not finite"):
        token_scores([states(40, 3), bad])
