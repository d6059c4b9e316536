"""A constant number of series, whatever the number of tensors."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from strobe.record.monitor.findings import Finding, Kind
from strobe.record.monitor.gradients import GradientStats
from strobe.record.monitor.updates import UpdateStats


def percentile(values: Sequence[float], share: float) -> float:
    """The ceil(share x n)-th smallest of n values: of 20, the 19th at 0.95. NaN of none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else math.nan


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Median, p95, least and largest of the finite ones, by name."""
    finite = [value for value in values if math.isfinite(value)]
    return {
        f"{name}_median": _median(finite),
        f"{name}_p95": percentile(finite, 0.95),
        f"{name}_min": min(finite, default=math.nan),
        f"{name}_max": max(finite, default=math.nan),
    }


def _counts(findings: Iterable[Finding], kinds: dict[str, Kind]) -> dict[str, float]:
    found = [finding.kind for finding in findings]
    return {name: float(found.count(kind)) for name, kind in kinds.items()}


def gradient_aggregates(stats: Sequence[GradientStats], findings: Iterable[Finding]) -> dict[str, float]:
    """L2 over tensors, norms of the whole before and after clipping, and how many tensors have which trouble."""
    there = [s for s in stats if s.l2 is not None and s.finite]
    return {
        **spread("gradient_l2", [s.l2 for s in there if s.l2 is not None]),
        "gradient_abs_max": max((s.abs_max for s in there if s.abs_max is not None), default=math.nan),
        "gradient_mean_abs_median": _median([s.mean_abs for s in there if s.mean_abs is not None]),
        "gradient_norm": math.hypot(*(s.l2 for s in there if s.l2 is not None)),
        "gradient_norm_unclipped": math.hypot(*(s.l2_unclipped for s in there if s.l2_unclipped is not None)),
        "tensors": float(len(stats)),
        **_counts(findings, {
            "tensors_without_gradient": Kind.NO_GRADIENT, "tensors_with_zero_gradient": Kind.ZERO_GRADIENT,
            "tensors_with_vanishing_gradient": Kind.VANISHING, "tensors_with_exploding_gradient": Kind.EXPLODING,
            "tensors_with_nonfinite_gradient": Kind.NONFINITE_GRADIENT,
        }),
    }  # fmt: skip


def update_aggregates(stats: Sequence[UpdateStats], findings: Iterable[Finding]) -> dict[str, float]:
    """Update ratios over tensors, and how many tensors have which trouble."""
    kinds = {
        "tensors_frozen": Kind.FROZEN, "tensors_moved_by_decay_alone": Kind.DECAY_ALONE,
        "tensors_with_nonfinite_weights": Kind.NONFINITE_WEIGHT,
    }  # fmt: skip
    return {**spread("update_ratio", [s.ratio for s in stats]), **_counts(findings, kinds)}
