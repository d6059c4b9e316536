"""Gradient health: norms beside numpy's, and each trouble by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strobe.record.monitor import Kind, Thresholds, WeightMonitor
from strobe.record.monitor.gradients import gradient_stats


def with_gradient(gradient: torch.Tensor) -> torch.nn.Parameter:
    parameter = torch.nn.Parameter(torch.ones(gradient.shape, dtype=gradient.dtype))
    parameter.grad = gradient
    return parameter


def kinds(pairs: list[tuple[str, Any]], **options: Any) -> dict[str, Kind]:
    monitor = WeightMonitor(thresholds=Thresholds(**options), warn=False)
    return {finding.tensor: finding.kind for finding in monitor.check_gradients(pairs)}


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40), st.sampled_from(["float32", "float64"]))
def test_the_norms_are_numpys(values: list[float], dtype: str) -> None:
    stats = gradient_stats([("w", with_gradient(torch.tensor(values, dtype=getattr(torch, dtype))))])[0]
    assert stats.l2 == pytest.approx(float(np.linalg.norm(values)), rel=1e-5, abs=1e-30)
    assert stats.abs_max == pytest.approx(max(map(abs, values)), rel=1e-6)
    assert stats.mean_abs == pytest.approx(float(np.mean(np.abs(values))), rel=1e-5, abs=1e-30)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_single(dtype: torch.dtype) -> None:
    stats = gradient_stats([("w", with_gradient(torch.full((10_000,), 3.0, dtype=dtype)))])[0]
    assert stats.l2 == pytest.approx(300.0, rel=1e-6)
    assert stats.mean_abs == pytest.approx(3.0, rel=1e-6)
    large = gradient_stats([("w", with_gradient(torch.full((100,), 60_000.0, dtype=torch.float16)))])[0]
    assert large.l2 == pytest.approx(600_000, rel=1e-3)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_a_norm_whose_square_does_not_fit(size: float) -> None:
    stats = gradient_stats([("w", with_gradient(torch.full((4,), size)))])[0]
    assert stats.l2 == pytest.approx(2 * size, rel=1e-6)


def test_a_sparse_gradient_counts_its_zeros() -> None:
    embedding = torch.nn.Embedding(10, 4, sparse=True)
    embedding(torch.tensor([1, 1, 3])).sum().backward()
    stats = gradient_stats([("e", embedding.weight)])[0]
    assert (stats.l2, stats.abs_max, stats.mean_abs) == (pytest.approx(math.sqrt(20)), 2.0, pytest.approx(12 / 40))


def test_complex_scalar_and_empty_tensors() -> None:
    pairs = [
        ("c", with_gradient(torch.tensor([3 + 4j, 0j]))),
        ("s", with_gradient(torch.tensor(-2.0))),
        ("e", with_gradient(torch.zeros(0))),
    ]
    assert [stats.l2 for stats in gradient_stats(pairs)] == [5.0, 2.0, 0.0]


def test_every_trouble_has_its_name_and_the_rest_none() -> None:
    frozen = torch.nn.Parameter(torch.ones(3), requires_grad=False)
    pairs = [
        ("good", with_gradient(torch.full((3,), 1e-3))),
        ("vanishing", with_gradient(torch.full((3,), 1e-8))),
        ("exploding", with_gradient(torch.full((3,), 1e3))),
        ("infinite", with_gradient(torch.tensor([1.0, math.inf]))),
        ("nan", with_gradient(torch.tensor([1.0, math.nan]))),
        ("zero", with_gradient(torch.zeros(3))),
        ("none", torch.nn.Parameter(torch.ones(3))),
        ("frozen", frozen),
    ]
    assert kinds(pairs) == {
        "vanishing": Kind.VANISHING,
        "exploding": Kind.EXPLODING,
        "infinite": Kind.NONFINITE_GRADIENT,
        "nan": Kind.NONFINITE_GRADIENT,
        "zero": Kind.ZERO_GRADIENT,
        "none": Kind.NO_GRADIENT,
        "frozen": Kind.NOT_TRAINED,
    }


def test_the_thresholds_are_inclusive_and_changeable() -> None:
    pair = [("w", with_gradient(torch.tensor([0.5])))]
    assert kinds(pair, exploding=0.5) == {"w": Kind.EXPLODING}
    assert kinds(pair, vanishing=0.5) == {"w": Kind.VANISHING}
    assert kinds(pair) == {}
    with pytest.raises(ValueError, match="vanishing 2 is not from 0 to below exploding 1"):
        Thresholds(vanishing=2, exploding=1)


@pytest.mark.parametrize(("weight", "vanishes"), [(1e-2, False), (1e-4, True), (None, True)])
def test_a_bias_that_cancels_out_has_no_vanishing_gradient(weight: float | None, vanishes: bool) -> None:
    pairs = [("k.bias", with_gradient(torch.tensor([5e-8])))]
    beside = [] if weight is None else [("k.weight", with_gradient(torch.tensor([[weight]])))]
    assert kinds([*beside, *pairs]) == ({"k.bias": Kind.VANISHING} if vanishes else {})
    assert kinds([*beside, ("kbias", with_gradient(torch.tensor([5e-8])))]) == {"kbias": Kind.VANISHING}


def test_trouble_is_judged_before_clipping() -> None:
    pairs = [("w", with_gradient(torch.tensor([1.0])))]
    monitor = WeightMonitor(warn=False)
    (finding,) = monitor.check_gradients(pairs, clip_scale=0.001, step=7)
    assert finding.kind is Kind.EXPLODING
    assert str(finding) == "w: exploding gradient (1e+03) at step 7"
    aggregates = monitor.aggregate_gradient_stats()
    assert aggregates["gradient_norm"] == pytest.approx(1)
    assert aggregates["gradient_norm_unclipped"] == pytest.approx(1000)
