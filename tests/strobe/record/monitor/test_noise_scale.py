"""The gradient noise scale: planted gradients whose scale is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from strobe.record.monitor import GradientNoiseScale, simple_noise_scale


def test_exact_norms_give_the_exact_scale() -> None:
    gradient, trace = 4.0, 60.0
    estimate = simple_noise_scale(gradient + trace / 2, gradient + trace / 16, 2, 16)
    assert (estimate.squared_gradient, estimate.trace) == (pytest.approx(gradient), pytest.approx(trace))
    with pytest.raises(ValueError, match="the first must be above 0 and below the second"):
        simple_noise_scale(1, 1, 4, 4)


@pytest.mark.parametrize("divided", [True, False])
def test_planted_noise_is_measured(divided: bool) -> None:
    """The gradient of w . x is x: its mean is m, its covariance that of x, so B_simple = 50 / |m|^2 = 12.5."""
    torch.manual_seed(0)
    weights = nn.Parameter(torch.zeros(50))
    mean, micro, size = torch.full((50,), math.sqrt(4 / 50)), 4, 8
    with GradientNoiseScale([("w", weights)], size, decay=0.999, divided=divided) as noise:
        for _ in range(400):
            weights.grad = None
            for _ in range(micro):
                loss = ((mean + torch.randn(size, 50)) @ weights).mean()
                (loss / micro if divided else loss).backward()
            assert noise.update() is not None
        assert noise.value == pytest.approx(12.5, rel=0.15)


def test_one_batch_tells_nothing() -> None:
    weights = nn.Parameter(torch.ones(3))
    noise = GradientNoiseScale([("w", weights)])
    assert math.isnan(noise.value)
    (weights**2).sum().backward()
    assert noise.update() is None
    assert math.isnan(noise.value)


def test_a_gradient_that_is_not_finite_is_not_averaged() -> None:
    weights = nn.Parameter(torch.ones(3))
    noise = GradientNoiseScale([("w", weights)])
    for factor in (1.0, math.nan):
        (factor * weights).sum().backward()
    assert noise.update() is None
