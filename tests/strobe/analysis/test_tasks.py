"""The modular-addition task: golden values that every implementation must give, and an independent one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strobe.analysis.tasks import BATCH_STREAM, batch_rows, fisher_yates, modular_addition, splitmix64

MASK = (1 << 64) - 1
GOLDEN_TRAIN = [8830, 932, 5429, 2803, 4808, 2155, 2518, 5584]
GOLDEN_VAL = [2357, 9388, 7547, 4686]
GOLDEN_SUM = 13_340_526
GOLDEN_BATCH_0 = [5416, 6520, 1266, 8246, 4386, 7451]
GOLDEN_BATCH_1000 = [1270, 9372, 779, 9030, 8207, 9016]


def plain_splitmix64(state: int) -> tuple[int, int]:
    """One call of the generator, as in the paper: (next state, output)."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


def test_golden_outputs_of_splitmix64() -> None:
    """The first outputs for state 0 are published with the generator."""
    assert [int(x) for x in splitmix64(0, 0, 3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@given(st.integers(0, MASK), st.integers(0, 1000), st.integers(0, 20))
def test_counting_equals_calling(state: int, start: int, count: int) -> None:
    outputs, running = [], state
    for _ in range(start + count):
        running, output = plain_splitmix64(running)
        outputs.append(output)
    assert [int(x) for x in splitmix64(state, start, count)] == outputs[start:]


@given(st.integers(1, 300), st.integers(0, MASK))
def test_shuffle_is_the_textbook_one(n: int, seed: int) -> None:
    order, state = list(range(n)), seed
    for i in range(n - 1, 0, -1):
        state, output = plain_splitmix64(state)
        j = output % (i + 1)
        order[i], order[j] = order[j], order[i]
    assert fisher_yates(n, seed).tolist() == order


def test_golden_split() -> None:
    task = modular_addition(97, 0.3, 598)
    assert (len(task.train_index), len(task.val_index)) == (2822, 6587)
    assert task.train_index[:8].tolist() == GOLDEN_TRAIN
    assert task.val_index[:4].tolist() == GOLDEN_VAL
    assert int(task.train_index.sum()) == GOLDEN_SUM


@pytest.mark.parametrize(("fraction", "count"), [(0.7, 70), (0.29, 28), (0.999, 99), (0.01, 1)])
def test_the_split_is_the_floor_of_a_product_of_doubles(fraction: float, count: int) -> None:
    """0.29 * 100 lies just below 29 in doubles; 0.7 in single precision lies below 0.7."""
    task = modular_addition(10, fraction, 3)
    assert (len(task.train_index), len(task.val_index)) == (count, 100 - count)
    assert task.vocab_size == task.inputs.max() + 1 == 11


def test_golden_batches() -> None:
    task = modular_addition(97, 0.3, 598)
    assert task.batch(598, 0, 6).tolist() == GOLDEN_BATCH_0
    assert task.batch(598, 1000, 6).tolist() == GOLDEN_BATCH_1000


@given(st.integers(2, 30), st.floats(0.05, 0.95), st.integers(0, MASK))
def test_splits_are_a_partition_of_all_sums(p: int, fraction: float, seed: int) -> None:
    if not 0 < int(np.floor(fraction * p * p)) < p * p:
        return
    task = modular_addition(p, fraction, seed)
    assert sorted([*task.train_index.tolist(), *task.val_index.tolist()]) == list(range(p * p))
    assert len(task.train_index) == int(np.floor(fraction * p * p))
    rows = task.inputs
    np.testing.assert_array_equal(rows[:, 0] * p + rows[:, 1], np.arange(p * p))
    np.testing.assert_array_equal((rows[:, 0] + rows[:, 1]) % p, task.labels)
    assert set(rows[:, 2]) == {p}


@given(st.integers(0, 10**6), st.integers(1, 64))
def test_minibatches_do_not_depend_on_where_one_starts(step: int, size: int) -> None:
    two = [int(x) % 2822 for x in splitmix64(598 ^ BATCH_STREAM, step * size, 2 * size)]
    assert [*batch_rows(2822, 598, step, size), *batch_rows(2822, 598, step + 1, size)] == two


@pytest.mark.parametrize(("p", "fraction"), [(1, 0.5), (97, 0.0), (97, 1.0), (97, float("nan")), (3, 0.01)])
def test_what_is_no_task(p: int, fraction: float) -> None:
    with pytest.raises(ValueError, match=r"too small|leaves a split empty"):
        modular_addition(p, fraction, 0)
