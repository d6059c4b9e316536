"""Schedules of learning rates beside the code that they are of."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strobe.analysis.device_memory import device_memory
from strobe.analysis.learning_rate import warmup_cosine, warmup_end


def get_lr(step: int) -> float:
    """As nanoGPT's train.py has it, with its defaults."""
    if step < 2000:
        return 6e-4 * (step + 1) / (2000 + 1)
    if step > 600_000:
        return 6e-5
    share = (step - 2000) / (600_000 - 2000)
    return 6e-5 + 0.5 * (1.0 + math.cos(math.pi * share)) * (6e-4 - 6e-5)


def test_the_schedule_is_nanogpts() -> None:
    steps = [0, 1, 1999, 2000, 2001, 300_000, 599_999, 600_000, 600_001, 700_000]
    found = warmup_cosine(np.array(steps, float), highest=6e-4, lowest=6e-5, warmup=2000, decay_until=600_000)
    assert found == pytest.approx([get_lr(step) for step in steps], rel=1e-12)


def test_a_warm_up_ends_where_the_rate_is_greatest() -> None:
    steps = np.arange(0, 100, 10.0)
    assert warmup_end(steps, np.array([1, 2, 3, 3, 3, 2, 1, 1, 1, 1.0])) == 20


@pytest.mark.parametrize("rates", [[3, 2, 1], [1, 2, 3], [2, 1, 3, 2], [1, 1, 1], [1, 2], []])
def test_no_end_where_nothing_rose_or_it_has_not_ended(rates: list[float]) -> None:
    assert warmup_end(np.arange(len(rates), dtype=float), np.array(rates, float)) is None


@pytest.mark.parametrize(
    ("device", "gigabytes"),
    [("NVIDIA A100-SXM4-80GB", 80), ("NVIDIA H100 80GB HBM3", 80), ("NVIDIA H200", 141), ("Tesla T4", 16)],
)
def test_memory_by_the_name_of_a_device(device: str, gigabytes: float) -> None:
    assert device_memory(device) == gigabytes * 1e9


@pytest.mark.parametrize("device", ["", "cpu", "NVIDIA A100", "V100"])
def test_memory_that_a_name_does_not_tell(device: str) -> None:
    assert device_memory(device) is None
