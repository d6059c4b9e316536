"""The edge of a matrix's own entries: tails and a mean are no structure, planted directions are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from strobe.analysis.entry_null import entry_edge
from strobe.analysis.random_edge import RandomEdge, random_edge

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
ENTRIES: dict[str, Draw] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "t3": lambda random, shape: random.standard_t(3, size=shape),
    "t5": lambda random, shape: random.standard_t(5, size=shape),
    "one in ten": lambda random, shape: random.normal(size=shape) * (random.random(shape) < 0.1),
    "mean 0.1": lambda random, shape: random.normal(size=shape) + 0.1,
}


def measured(W: np.ndarray) -> RandomEdge:
    return entry_edge(W, np.linalg.svd(W, compute_uv=False))


def planted(shape: tuple[int, int], rank: int, strength: float, seed: int) -> np.ndarray:
    """Noise and `rank` directions of `strength` times the least that shows, (m n)^(1/4)."""
    random, (m, n) = np.random.default_rng(seed), shape
    left, right = (np.linalg.qr(random.normal(size=(size, rank)))[0] for size in shape)
    return random.normal(size=shape) + strength * (m * n) ** 0.25 * left @ right.T


def false_alarms(kind: str, shape: tuple[int, int], many: int) -> float:
    random = np.random.default_rng(5)
    return float(np.mean([measured(ENTRIES[kind](random, shape)).beyond > 0 for _ in range(many)]))


@pytest.mark.parametrize("kind", ["t3", "t5", "one in ten"])
def test_independent_entries_of_any_tail_seldom_have_one_beyond(kind: str) -> None:
    random = np.random.default_rng(1)
    drawn = [ENTRIES[kind](random, (50, 60)) for _ in range(12)]
    closed = [random_edge(np.linalg.svd(W, compute_uv=False), W.shape).beyond > 0 for W in drawn]
    assert sum(closed) >= 4, "the closed form is crossed, so there is something to mend"
    assert sum(measured(W).beyond > 0 for W in drawn) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(64, 64), (50, 400), (128, 128)])
@pytest.mark.parametrize("kind", list(ENTRIES))
def test_false_alarms_are_at_most_one_in_twenty(kind: str, shape: tuple[int, int]) -> None:
    assert false_alarms(kind, shape, 200) <= 0.05


@pytest.mark.parametrize("shape", [(64, 64), (60, 200)])
@pytest.mark.parametrize(("rank", "strength"), [(1, 2.5), (5, 2.5), (1, 300), (5, 300)])
def test_planted_directions_are_counted_exactly(shape: tuple[int, int], rank: int, strength: float) -> None:
    assert [measured(planted(shape, rank, strength, seed)).beyond for seed in range(2)] == [rank] * 2


def test_a_matrix_that_is_shuffled_by_the_compiled_loop() -> None:
    """Of more entries than the cache holds, and more singular values than numpy's solver is quick for."""
    shape = (260, 520)
    assert measured(planted(shape, 2, 2.5, 0)).beyond == 2
    tails = ENTRIES["t3"](np.random.default_rng(4), shape)
    s = np.linalg.svd(tails, compute_uv=False)
    assert random_edge(s, shape).beyond > 0
    assert entry_edge(tails, s).beyond == 0


def test_a_mean_of_the_entries_is_no_structure() -> None:
    W = np.random.default_rng(0).normal(size=(60, 60)) + 0.5
    s = np.linalg.svd(W, compute_uv=False)
    assert random_edge(s, W.shape).beyond == 1
    found = entry_edge(W, s)
    assert (found.beyond, found.edge > s[0]) == (0, True)


def test_the_edge_is_never_below_the_closed_form_and_that_alone_where_nothing_is_beyond() -> None:
    W = planted((64, 64), 1, 3, 0)
    s = np.linalg.svd(W, compute_uv=False)
    assert entry_edge(W, s).edge >= random_edge(s, W.shape).edge
    noise = np.random.default_rng(0).normal(size=(64, 64))
    s = np.linalg.svd(noise, compute_uv=False)
    assert entry_edge(noise, s) == random_edge(s, noise.shape)


@pytest.mark.parametrize("scale", [2.0**-1030, 2.0**-20, 2.0**1000])
def test_the_unit_and_the_order_of_the_axes_do_not_matter(scale: float) -> None:
    W = np.random.default_rng(2).standard_t(3, size=(70, 50))
    one, other = measured(W), measured(W * scale)
    assert (other.edge / scale, other.beyond) == (pytest.approx(one.edge, rel=1e-3), one.beyond)
    assert measured(W.T).edge == pytest.approx(one.edge, rel=1e-9)


def test_where_shuffles_have_no_bulk_there_is_no_edge() -> None:
    W = ENTRIES["one in ten"](np.random.default_rng(1), (64, 64))
    assert not random_edge(np.linalg.svd(W, compute_uv=False), W.shape).note
    found = measured(W)
    assert found.note == "the same entries in random order have no edge"
    assert np.isnan([found.sigma, found.edge, found.ks]).all()
