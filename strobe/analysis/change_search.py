"""The search for changes in one series: the best of all shapes, tested, and again beside what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.change_fit import Sample, Scan
from strobe.analysis.change_models import logistic
from strobe.analysis.change_tail import tail

Floats = npt.NDArray[np.float64]

MOST_CHANGES = 12
"""In one series."""
_GRADUAL = 6.0
"""How much larger the likelihood ratio of a gradual change must be before it is not called a step."""
_HANDICAP = 3.5
"""Taken from the ratio of gradual changes: having one parameter more, they reach larger ones by chance."""
_NOISES = 6
"""Models of the noise that are kept, of those best without a change and of those best with one, once there is one."""
_LOCATION = 7.352
"""-2 ln(1 - sqrt(0.95)): the likelihood-ratio set of a break's place at 95% (Eo and Morley 2015)."""
_REFINED_FROM = 8.0
"""Gradual changes with a smaller ratio are no changes wherever they are placed."""
_LARGEST = 1.25
"""Of the range: a gradual change beyond it is half of two that cancel, and no change."""


class Shape(NamedTuple):
    """A change that was looked at."""

    middle: float
    """In samples."""
    width: float
    """From 10% to 90%; 0 is a step."""
    ratio: float
    """The likelihood ratio of a change there, of whatever shape, against none."""
    noise: int
    drift: int
    """What explains the rest best."""
    low: float
    high: float
    """The 95% set of the middles of a step; of a gradual change its middle."""


class Search(NamedTuple):
    """What was found."""

    sample: Sample
    """With the models that were kept."""
    shapes: list[Shape]
    ratio: float
    """Of the first change that was looked at."""
    p: float
    """Of the last, which was refused unless there are as many as can be."""
    scan: Scan
    """Beside all of them."""


def curves(sample: Sample, shapes: Sequence[Shape]) -> Floats:
    """(n, len(shapes)), each from 0 to 1."""
    return logistic(len(sample.x), np.array([s.middle for s in shapes]), np.array([s.width for s in shapes]))


def search(sample: Sample, level: float) -> Search:
    """All changes whose p is at most `level`, each tested beside the others."""
    n = len(sample.x)
    found: list[Shape] = []
    shape, scan = _best(sample, found)
    first = shape.ratio
    if tail(first, n) <= level:
        sample = sample.narrowed(scan, _NOISES)
        shape, scan = _best(sample, found)
    while tail(shape.ratio, n) <= level and len(found) < MOST_CHANGES:
        # A drift off the grid may do what the change seemed to.
        sample = sample.with_curves(curves(sample, found), scan)
        shape, scan = _best(sample, found)
        first = first if found else shape.ratio
        if tail(shape.ratio, n) <= level:
            found.append(shape)
            shape, scan = _best(sample, found)
    for i in range(len(found)):
        found[i], _ = _best(sample, [*found[:i], *found[i + 1 :]])
    kept = [each for each in found if tail(each.ratio, n) <= level]
    return Search(sample, kept, first, tail(shape.ratio, n), scan)


def _best(sample: Sample, others: Sequence[Shape]) -> tuple[Shape, Scan]:
    """The change that explains most beside others, its kind decided."""
    found = curves(sample, others)
    scan = sample.scan(found)
    ratio = 2 * (scan.best - scan.without)
    steps = int((sample.models.widths == 0).sum())
    step = _step(sample, scan, ratio[:steps])
    gradual = _shape(sample, scan, ratio, steps + int(ratio[steps:].argmax()))
    if gradual.ratio >= _REFINED_FROM:
        gradual = _refined(sample, scan, found, gradual)
        (*_, amount), _ = sample.fitted(curves(sample, [*others, gradual]), gradual.noise, gradual.drift)
        if abs(amount) > _LARGEST:
            gradual = gradual._replace(ratio=-np.inf)
    chosen = gradual if gradual.ratio - step.ratio > _GRADUAL else step
    return chosen._replace(ratio=max(step.ratio, gradual.ratio - _HANDICAP)), scan


def _step(sample: Sample, scan: Scan, ratio: Floats) -> Shape:
    step = _shape(sample, scan, ratio, int(ratio.argmax()))
    close = sample.models.middles[: len(ratio)][step.ratio - ratio <= _LOCATION]
    return step._replace(low=float(close[0]), high=float(close[-1]))


def _shape(sample: Sample, scan: Scan, ratio: Floats, i: int) -> Shape:
    middle, width = float(sample.models.middles[i]), float(sample.models.widths[i])
    return Shape(middle, width, float(ratio[i]), int(scan.noise[i]), int(scan.drift[i]), middle, middle)


def _refined(sample: Sample, scan: Scan, found: Floats, shape: Shape) -> Shape:
    """The same change off the grid, and the models that are best with it."""
    for _ in range(2):
        middle, width = sample.placed(found, shape.noise, shape.drift, shape.middle, shape.width)
        again = sample.at(found, logistic(len(sample.x), np.array([middle]), np.array([width])))
        ratio = 2 * (float(again.best[0]) - scan.without)
        if ratio <= shape.ratio:
            break
        shape = Shape(middle, width, ratio, int(again.noise[0]), int(again.drift[0]), middle, middle)
    return shape
