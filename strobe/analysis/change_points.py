"""Changes of a series that neither a drift nor noise with memory explains: steps, and gradual rises and falls.

A change is looked for by a likelihood ratio: the best of all drifts in the best of all noises, against the same with
a step or a logistic curve. How large the ratio gets without a change was simulated for the worst of many kinds of
noise (`bench/changes.py`); the rule and what was measured of it stand in `docs/analyses.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from strobe.analysis.change_fit import Sample
from strobe.analysis.change_geometry import FLOOR
from strobe.analysis.change_search import Search, Shape, curves, search
from strobe.analysis.change_tail import tail
from strobe.analysis.changing_variance import noise_scale

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

LEVEL = 0.04
"""The largest p that a change may have."""
LEAST_SAMPLES = 20
MOST_SAMPLES = 400
_UNEVEN = 2
_SPREAD = 2.5
"""Standard errors on either side of the middle of a gradual change: 1.96, and what placing it adds."""
_GRID = 0.05
"""Samples by which its place is off at most."""
_NOTHING = 1e-9
"""A residual of the range below which there is none."""
_PART = 0.25
"""What share of a gradual change another beside it must be, to be no part of its shape."""
_BESIDE = 1.5
"""Up to how many of its widths from its middle that is."""
_MOVED = 0.5
"""What share of a gradual change the whole fitted curve moves at least while that is done: where it moves less, or
the other way, drift or another change undoes it, and nobody sees it."""
_DONE = 0.8
"""Of a gradual change, between its 10% and its 90%."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change. Steps are those of samples, or between two of them."""

    kind: Literal["step", "gradual"]
    step: float
    """Of a step the first step of the new level; of a gradual change its middle."""
    step_low: float
    step_high: float
    """A 95% interval for `step`, both ends included. Of a step its lower end is the sample before the earliest place:
    between two samples nobody looked."""
    start: float
    end: float
    """Where 10% and 90% of a gradual change are done; of a step the samples on either side."""
    effect: float
    """How far the level moves, in the series' unit."""
    effect_sd: float
    """`effect` over the standard deviation of the samples about the fitted curve."""
    p: float
    model: str
    """The drift and the noise that explain the rest best."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search of one series came to."""

    changes: tuple[Change, ...]
    samples: int
    """Finite ones."""
    reason: str
    """Why nothing can be told; empty where the series was searched."""
    ratio: float
    """The handicapped likelihood ratio of the first change that was looked at; NaN where nothing can be told."""
    p: float
    """Of the last change that was looked at and refused; NaN where nothing can be told."""
    model: str
    """The drift and the noise that explain the series best without a further change."""
    uneven: bool
    """Whether some samples are more than twice as far apart in steps as others: all are taken as evenly spaced."""


def change_points(steps: Array, values: Array, level: float = LEVEL) -> Searched:
    """The changes of `values` at ascending `steps`, both (n,), in order; none is an answer.

    Samples that are not finite are left out, and fewer than 20 cannot tell, nor can a constant series. Samples count
    as evenly spaced. Deterministic. Raises ValueError for shapes that differ, steps that do not ascend, or more than
    400 samples (thin the series first: time and memory grow with the square of its length).
    """
    steps, values = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    if steps.ndim != 1 or steps.shape != values.shape:
        raise ValueError(f"steps {steps.shape} and values {values.shape} are not two series of one length")
    finite = np.isfinite(values)
    steps, x = steps[finite], values[finite]
    if not (np.diff(steps) > 0).all():
        raise ValueError("steps do not ascend")
    if len(x) > MOST_SAMPLES:
        raise ValueError(f"{len(x):,} samples are too many; thin the series to {MOST_SAMPLES:,}")
    gaps = np.diff(steps)
    uneven = len(gaps) > 1 and bool(gaps.max() > _UNEVEN * gaps.min())
    if reason := _hopeless(x):
        return Searched((), len(x), reason, np.nan, np.nan, "", uneven)
    top = np.abs(x).max()
    unit = float(np.ptp(x / top) * top)
    done = search(Sample.of(x / top, noise_scale(x / top, FLOOR * unit / top)), level)
    described = [_described(done, i, steps, unit) for i in range(len(done.shapes))]
    seen = [_seen(done, i) for i in range(len(done.shapes))]
    changes = sorted(_own(done.shapes, described, seen), key=lambda change: change.step)
    model = _model(done.sample, done.scan.noise_without, done.scan.drift_without)
    return Searched(tuple(changes), len(x), "", done.ratio, done.p, model, uneven)


def _hopeless(x: Floats) -> str:
    if len(x) < LEAST_SAMPLES:
        return f"{len(x)} finite samples, and fewer than {LEAST_SAMPLES} cannot tell a change from drift"
    if np.ptp(x) <= 1e-9 * np.abs(x).max():
        return "the series is constant"
    return ""


def _model(sample: Sample, noise: int, drift: int) -> str:
    name, _ = sample.drift(drift)
    drifts = "" if name == "none" else f"{name} drift, "
    varying = "" if sample.weight is None else " of changing variance"
    return f"{drifts}{sample.models.noises[noise]}{varying}"


def _described(done: Search, i: int, steps: Floats, unit: float) -> Change:
    sample, shape, others = done.sample, done.shapes[i], [*done.shapes[:i], *done.shapes[i + 1 :]]
    amounts, left = sample.fitted(curves(sample, [*others, shape]), shape.noise, shape.drift)
    effect, deviation = float(amounts[-1]), float(np.sqrt(left @ left / (len(left) - 3)))
    step, low, high, start, end = _place(sample, shape, others, steps)
    return Change(
        kind="gradual" if shape.width else "step", step=step, step_low=low, step_high=high, start=start, end=end,
        effect=effect * unit,
        effect_sd=effect / deviation if deviation > _NOTHING else float(np.copysign(np.inf, effect)),
        p=tail(shape.ratio, len(left)), model=_model(sample, shape.noise, shape.drift),
    )  # fmt: skip


def _place(sample: Sample, shape: Shape, others: list[Shape], steps: Floats) -> list[float]:
    """step, step_low, step_high, start, end."""
    if shape.width == 0:
        samples = np.array([shape.middle, shape.low - 1, shape.high, shape.middle - 1, shape.middle]) + 0.5
        return [float(step) for step in steps[samples.astype(int)]]
    error = sample.uncertainty(curves(sample, others), shape.noise, shape.drift, shape.middle, shape.width)
    reach = _SPREAD * error + _GRID
    points = shape.middle + np.array([0, -reach, reach, -shape.width / 2, shape.width / 2])
    return [float(step) for step in np.interp(points, np.arange(len(steps)), steps)]


def _seen(done: Search, i: int) -> bool:
    """Whether the series itself moves as a change says: a step is too short for anything else to move beside it."""
    sample, shape, others = done.sample, done.shapes[i], [*done.shapes[:i], *done.shapes[i + 1 :]]
    if not shape.width:
        return True
    amounts, left = sample.fitted(curves(sample, [*others, shape]), shape.noise, shape.drift)
    reach = shape.width / 2 * np.array([-1, 1])
    start, end = np.interp(shape.middle + reach, np.arange(len(left)), sample.x - left)
    return bool((end - start) / (_DONE * amounts[-1]) >= _MOVED)


def _own(shapes: list[Shape], changes: list[Change], seen: list[bool]) -> Iterator[Change]:
    """The changes that are seen, and no part of a larger one's shape.

    Few rises are logistic curves: what makes a better one of them lies beside them and is far smaller.
    """
    for shape, change, real in zip(shapes, changes, seen, strict=True):
        if real and not any(
            abs(change.effect) < _PART * abs(larger.effect)
            and abs(shape.middle - main.middle) <= _BESIDE * main.width
            for main, larger in zip(shapes, changes, strict=True)
        ):
            yield change
