"""Update health: how far one optimizer step moved the sampled weights, and why one did not move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from strobe.record.monitor.findings import Finding, Kind, Thresholds
from strobe.record.monitor.parameters import Setting

Floats = npt.NDArray[np.float64]

_EPS = 1e-12
"""Keeps the ratio of a tensor of zeros finite."""
_LOW_PRECISION = ("torch.bfloat16", "torch.float16")
_EPSILONS = {"torch.bfloat16": 2.0**-8, "torch.float16": 2.0**-11, "torch.float32": 2.0**-24}


@dataclass(frozen=True, slots=True)
class UpdateStats:
    """One tensor's movement by one optimizer step, on its sample.

    `ratio` is ||w' - w|| / (||w|| + 1e-12); NaN where a sampled weight is not finite. `still_checks` is how many
    checks up to this one found it at or below the threshold of frozen, one after another. `decay_alone`: the movement
    is what weight decay gives without a gradient.
    """

    tensor: str
    ratio: float
    still_checks: int
    decay_alone: bool


def update_ratio(before: Floats, after: Floats) -> float:
    """||after - before|| / (||before|| + 1e-12), both (k,)."""
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return float("nan")
    return float(np.linalg.norm(after - before) / (np.linalg.norm(before) + _EPS))


def is_decay_alone(before: Floats, after: Floats, dtype: Any, options: list[Setting], error: float) -> bool:
    """Whether after = before (1 - learning rate x weight decay), within `error` of the movement and the rounding of
    `dtype` (both (k,)). `options` are the settings that the step may have been made with."""
    moved = after - before
    rounding = _EPSILONS.get(str(dtype), 2.0**-53) * float(np.linalg.norm(before))
    for setting in options:
        expected = -setting.learning_rate * setting.weight_decay * before
        if float(np.linalg.norm(expected)) <= 4 * rounding:
            continue  # no larger than rounding: an ordinary update of that size would look the same
        if float(np.linalg.norm(moved - expected)) <= error * float(np.linalg.norm(moved)) + rounding:
            return True
    return False


def why_still(gradient: Kind | None, setting: Setting | None, dtype: Any, has_settings: bool) -> str:
    """The likely reason why weights did not move, "" where none is known."""
    reasons = (
        (gradient is Kind.NOT_TRAINED, "requires_grad is False"),
        (has_settings and setting is None, "the optimizer does not have it"),
        (setting is not None and setting.learning_rate == 0, "its learning rate is 0"),
        (gradient is Kind.NO_GRADIENT, "no gradient reaches it"),
        (gradient is Kind.ZERO_GRADIENT, "its gradient is zero"),
        (str(dtype) in _LOW_PRECISION, f"its update rounds away in {str(dtype).removeprefix('torch.')}"),
    )
    return next((words for holds, words in reasons if holds), "")


def update_finding(stats: UpdateStats, limits: Thresholds, step: int | None, why: str) -> Finding | None:
    """What is wrong with one update, if anything is."""
    if np.isnan(stats.ratio):
        return Finding(stats.tensor, Kind.NONFINITE_WEIGHT, step)
    if stats.still_checks >= limits.frozen_checks:
        return Finding(stats.tensor, Kind.FROZEN, step, stats.ratio, why)
    if stats.decay_alone:
        return Finding(stats.tensor, Kind.DECAY_ALONE, step, stats.ratio)
    return None
