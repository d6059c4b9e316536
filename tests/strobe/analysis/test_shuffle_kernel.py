"""The compiled shuffle: every entry once, every place as likely, nothing left of what stood together."""

from __future__ import annotations

import numpy as np

from strobe.analysis.shuffle_kernel import shuffle


def shuffled(n: int, seed: int) -> np.ndarray:
    made, heap = np.empty(n, np.float32), np.empty(n, np.uint8)
    shuffle(np.arange(n, dtype=np.float32), made, heap, np.uint64(seed))
    return made


def test_all_entries_are_there_once_and_a_seed_is_an_order() -> None:
    for n in (1, 7, 100_003):
        assert np.sort(shuffled(n, 3)).tolist() == list(range(n))
    assert np.array_equal(shuffled(1000, 3), shuffled(1000, 3))
    assert not np.array_equal(shuffled(1000, 3), shuffled(1000, 4))


def test_every_order_of_few_is_as_likely() -> None:
    orders, counts = np.unique([shuffled(4, seed) for seed in range(24_000)], axis=0, return_counts=True)
    assert len(orders) == 24
    assert ((counts - 1000) ** 2 / 1000).sum() < 49.7, "chi-squared of 23 degrees of freedom: its 99.9% point"


def test_neighbours_and_places_of_many_are_not_related() -> None:
    n = 200_000
    made, place = shuffled(n, 1).astype(float), np.arange(n)
    # Correlations of independent orders are about 1 / sqrt(n).
    for one, other in ((made, place), (made[1:], made[:-1]), (made[256:], made[:-256]), (made, place % 3072)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(n)
