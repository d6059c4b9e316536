"""Gradient health: three norms a tensor, reduced where the gradient lies, and one transfer for them all."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from strobe.record.monitor.findings import Finding, Kind, Thresholds

_NORMS = (2.0, math.inf, 1.0)


@dataclass(frozen=True, slots=True)
class GradientStats:
    """One tensor's gradient at one check: as it was found, and `l2_unclipped`, its L2 before clipping.

    `n` counts the parameter's elements, zeros of a sparse gradient included. Where there is no gradient the numbers
    are None.
    """

    tensor: str
    n: int
    l2: float | None = None
    abs_max: float | None = None
    mean_abs: float | None = None
    l2_unclipped: float | None = None
    requires_grad: bool = True

    @property
    def finite(self) -> bool:
        """Whether there is a gradient and every element of it is finite."""
        return self.abs_max is not None and math.isfinite(self.abs_max)


def _values(gradient: Tensor) -> Tensor:
    """The elements that can be other than zero: a sparse gradient's own, a sharded one's part on this rank."""
    if gradient.is_sparse:
        return gradient.coalesce().values()
    return gradient.to_local() if hasattr(gradient, "to_local") else gradient


def _norms(gradients: list[Tensor]) -> list[tuple[float, float, float]]:
    """(L2, max |g|, sum |g|) of each: norms by torch's fused kernels, stacked a device, one transfer a device."""
    by_device: dict[torch.device, list[int]] = defaultdict(list)
    for i, gradient in enumerate(gradients):
        by_device[gradient.device].append(i)
    norms: dict[int, tuple[float, float, float]] = {}
    for places in by_device.values():
        chosen = [gradients[i] for i in places]
        columns = [torch.stack([norm.float() for norm in _norm(chosen, order)]) for order in _NORMS]
        for i, row in zip(places, torch.stack(columns, dim=1).tolist(), strict=True):
            norms[i] = tuple(row)
    return [norms[i] for i in range(len(gradients))]


def _norm(gradients: list[Tensor], order: float) -> list[Tensor]:
    wide = [g.dtype in (torch.float64, torch.complex128) for g in gradients]
    if not any(wide) and not any(g.dtype in (torch.float16, torch.bfloat16) for g in gradients):
        return list(torch._foreach_norm(gradients, order))
    # Half precision would round the norm to three digits, and float16 overflow it.
    return [
        torch.linalg.vector_norm(g, order, dtype=None if w or g.is_complex() else torch.float32)
        for g, w in zip(gradients, wide, strict=True)
    ]


def _exact_l2(gradient: Tensor, l2: float, largest: float) -> float:
    """L2 where its square does not fit float32: scaled by the largest element."""
    fits = l2 > 1e-18 and math.isfinite(l2)
    if fits or not math.isfinite(largest) or largest == 0:
        return l2
    return largest * float(torch.linalg.vector_norm(gradient.abs().double() / largest))


def gradient_stats(parameters: Iterable[tuple[str, Any]], clip_scale: float = 1.0) -> list[GradientStats]:
    """The gradients of (name, parameter) pairs as they are now. `clip_scale` is the factor by which clipping has
    multiplied them, 1 where it did not."""
    named = list(parameters)
    there = [(name, p, _values(p.grad)) for name, p in named if p.grad is not None]
    filled = [(name, p, g) for name, p, g in there if g.numel()]
    found = {name: GradientStats(name, p.numel(), 0.0, 0.0, 0.0, 0.0, p.requires_grad) for name, p, _ in there}
    for (name, p, g), (l2, largest, total) in zip(filled, _norms([g for *_, g in filled]), strict=True):
        exact = _exact_l2(g, l2, largest)
        unclipped = exact / clip_scale if clip_scale else exact
        found[name] = GradientStats(name, p.numel(), exact, largest, total / p.numel(), unclipped, p.requires_grad)
    return [found.get(name, GradientStats(name, p.numel(), requires_grad=p.requires_grad)) for name, p in named]


def cancelled(each: list[GradientStats], limits: Thresholds) -> set[str]:
    """The biases that what follows takes out again: their gradient is rounding beside their module's weight's."""
    sizes = {stats.tensor: stats.l2_unclipped or 0.0 for stats in each}
    beside = {name: sizes.get(name.removesuffix("bias") + "weight", 0.0) for name in sizes if name.endswith("bias")}
    return {name for name, weight in beside.items() if 0 < sizes[name] <= limits.cancelled * weight}


def gradient_finding(stats: GradientStats, limits: Thresholds, step: int | None) -> Finding | None:
    """What is wrong with one gradient, if anything is."""
    name, l2 = stats.tensor, stats.l2_unclipped
    if not stats.requires_grad:
        return Finding(name, Kind.NOT_TRAINED, step)
    if l2 is None:
        return Finding(name, Kind.NO_GRADIENT, step, why="nothing that the loss depends on uses it")
    rules = (
        (not stats.finite, Kind.NONFINITE_GRADIENT),
        (l2 == 0, Kind.ZERO_GRADIENT),
        (l2 >= limits.exploding, Kind.EXPLODING),
        (l2 <= limits.vanishing, Kind.VANISHING),
    )
    kind = next((kind for holds, kind in rules if holds), None)
    return Finding(name, kind, step, l2 if stats.finite else stats.abs_max) if kind is not None else None
