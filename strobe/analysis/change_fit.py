"""How well a series is explained with a change of every shape, and without: restricted likelihoods of all models.

The mean is a drift, with what has been found already; the noise is any of the family. For each pair the mean is
fitted by generalised least squares. The likelihood is that of the contrasts that the mean leaves free (Patterson and
Thompson 1971), which does not take memory for less than it is; per contrast, so that means of unequal size compare.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.change_geometry import FLOOR, Geometry, geometry, plain
from strobe.analysis.change_models import NARROWEST, Models, logistic, models, room
from strobe.analysis.drift_curves import FAMILIES

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_WHITE = 0
"""The model of white noise, which is always kept: as long as the drift is on a grid, noise with memory takes what
that misses for its own, and a series that a drift off the grid explains would be left with no other."""
_GRID = 7
_ROUNDS = 9
"""Each halves the grid on which a gradual change is placed."""


class Scan(NamedTuple):
    """Of one series, in log likelihood: without a further change, and with one of each shape (s,)."""

    without: float
    noise_without: int
    drift_without: int
    best: Floats
    noise: Places
    drift: Places
    """Which noise and drift were the best with each shape."""
    noises_without: Floats
    noises_with: Floats
    """(N,): the best in each noise, without a further change and with one."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A series of n samples beside the models that it is compared with."""

    models: Models
    x: Floats
    """(n,), about 0, of range 1."""
    weight: Floats | None
    """(n,): 1 over the size of the noise there, or None where that is the same throughout."""
    curves: Floats
    """(n, d): drifts of its own, beside those of the models."""
    names: tuple[str, ...] = ()
    """Of those."""

    @classmethod
    def of(cls, values: Floats, scale: Floats | None) -> Sample:
        """Of values (n,) whose noise has this size (n,), or the same throughout."""
        x, n = (values - values.mean()) / np.ptp(values), len(values)
        return cls(models(n), x, None if scale is None else 1 / scale, np.zeros((n, 0)))

    def with_curves(self, found: Floats, scan: Scan) -> Sample:
        """With the exponential and power drifts that fit it best, off the grid, in white noise and in those that are
        best with a change and without."""
        names, curves = [], []
        for noise in np.unique([_WHITE, *_tops(scan, self.models.curved, 1)]):
            free, _ = self._free(found, np.ones((len(self.x), 1)), int(noise))
            for name, family in FAMILIES.items():
                names.append(name)
                curves.append(family.best(functools.partial(self._products, free), len(self.x)))
        return replace(self, curves=np.column_stack(curves), names=tuple(names))

    def narrowed(self, scan: Scan, count: int) -> Sample:
        """With those models of the noise alone that are best without a change, and with one: `count` of each, half as
        many of those that every drift is tried with, and white noise."""
        every = np.arange(len(self.models.noises))
        kept = np.concatenate([_tops(scan, every, count), _tops(scan, self.models.curved, count // 2)])
        return replace(self, models=self.models.some(np.unique([_WHITE, *kept])))

    def drift(self, drift: int) -> tuple[str, Floats]:
        """Its name, and its columns of the mean (n, k)."""
        m = self.models
        if drift < len(m.drifts):
            name, columns = m.drifts[drift]
            return name, m.columns[:, columns]
        own = drift - len(m.drifts)
        return self.names[own], np.column_stack([np.ones(len(self.x)), self.curves[:, own]])

    def scan(self, found: Floats) -> Scan:
        """Every shape of the models beside the changes found already, (n, f)."""
        n = len(self.x)
        if self.weight is None and self.models is models(n) and not found.size and not self.curves.size:
            return _scan(plain(n), self.x)
        return _scan(geometry(self.models, self.weight, self.curves, found), self._own(self.x))

    def at(self, found: Floats, shapes: Floats) -> Scan:
        """As `scan`, for other shapes (n, s)."""
        return _scan(geometry(self.models, self.weight, self.curves, found, shapes), self._own(self.x))

    def placed(self, found: Floats, noise: int, drift: int, middle: float, width: float) -> tuple[float, float]:
        """(middle, width) of the gradual change near these that fits best in one noise and drift, off the grid."""
        free, x = self._free(found, self.drift(drift)[1], noise)
        n = len(x)
        reach = np.array([width / 3, 0.6])
        for _ in range(_ROUNDS):
            at, log = (each.ravel() for each in np.meshgrid(*np.linspace(-reach, reach, _GRID).T))
            widths = np.clip(width * np.exp(log), NARROWEST, 0.6 * n)
            middles = np.clip(middle + at, room(widths), n - 1 - room(widths))
            h = self._own(logistic(n, middles, widths))
            best = int(_gain(free, x, h).argmax())
            middle, width = float(middles[best]), float(widths[best])
            reach /= 2
        return middle, width

    def uncertainty(self, found: Floats, noise: int, drift: int, middle: float, width: float) -> float:
        """The standard error of the middle of a gradual change, from the fit linearised there."""
        free, x = self._free(found, self.drift(drift)[1], noise)
        step = 0.01 * width
        middles = middle + step * np.array([0, -1, 1, 0, 0])
        h = self._own(logistic(len(x), middles, width + step * np.array([0, 0, 0, -1, 1])))
        amount = (h[:, 0] @ free @ x) / (h[:, 0] @ free @ h[:, 0])
        tangents = np.column_stack([h[:, 0], amount * (h[:, 2] - h[:, 1]), amount * (h[:, 4] - h[:, 3])])
        left = x - amount * h[:, 0]
        variance = (left @ free @ left + len(x) * FLOOR**2) / (len(x) - 5)
        spread = np.linalg.pinv(tangents.T @ free @ tangents)[1, 1]
        return 2 * step * float(np.sqrt(variance * max(spread, 0.0)))

    def fitted(self, shapes: Floats, noise: int, drift: int) -> tuple[Floats, Floats]:
        """The amounts (f,) of shapes (n, f) fitted together, and what is left (n,), of the range of the series."""
        mean = np.column_stack([self.drift(drift)[1], shapes])
        precise = self.models.precisions[noise] @ self._own(mean)
        amounts = np.linalg.lstsq(self._own(mean).T @ precise, precise.T @ self._own(self.x), rcond=None)[0]
        return amounts[-shapes.shape[1] :], self.x - mean @ amounts

    def _products(self, free: Floats, columns: Floats) -> tuple[Floats, Floats]:
        """Of columns (n, k) in a form: with the series (k,), and with each other (k, k)."""
        own = self._own(columns)
        through = free @ own
        return through.T @ self._own(self.x), own.T @ through

    def _own(self, each: Floats) -> Floats:
        """A series (n,) or columns (n, k) over the size of the noise."""
        return each if self.weight is None else (each.T * self.weight).T

    def _free(self, found: Floats, drift: Floats, noise: int) -> tuple[Floats, Floats]:
        """(n, n): the sum of squares that the mean leaves, as a form; and the series over the size of the noise."""
        mean = self._own(np.column_stack([drift, found]))
        precise = self.models.precisions[noise] @ mean
        return self.models.precisions[noise] - precise @ np.linalg.solve(mean.T @ precise, precise.T), self._own(
            self.x
        )


def _tops(scan: Scan, noises: Places, count: int) -> Places:
    """The `count` best of some models of the noise, without a change and with one."""
    kept = [noises[np.argsort(each[noises])[-count:]] for each in (scan.noises_without, scan.noises_with)]
    return np.concatenate(kept)


def _gain(free: Floats, x: Floats, columns: Floats) -> Floats:
    """(k,): how much less each of the columns (n, k) leaves of the sum of squares."""
    power = np.einsum("nk,nk->k", columns, free @ columns)
    explained: Floats = np.divide((columns.T @ (free @ x)) ** 2, power, out=np.zeros_like(power), where=power > 1e-9)
    return explained


def _scan(g: Geometry, x: Floats) -> Scan:
    n, s = g.shapes.shape
    precise = g.precisions @ x
    power, mean, shapes = precise @ x, precise @ g.mean, precise @ g.shapes
    best, noise, drift = np.full(s, np.inf), np.zeros(s, np.intp), np.zeros(s, np.intp)
    without, place = np.inf, (0, 0)
    noises = np.full((2, len(power)), np.inf)
    for d, each in enumerate(g.drifts):
        free, floor = n - len(each.columns), g.floor[each.noises, None]
        own = mean[np.ix_(each.noises, each.columns)][:, :, None]
        left = power[each.noises, None] - (own * (each.inverse @ own)).sum(1)
        slopes = shapes[each.noises] - (each.through @ own)[:, :, 0]
        # Likelihoods compare as residual variances times this: one logarithm at the end.
        factor = np.exp(-2 / n * each.level)[:, None] / free
        alone = (np.maximum(left, 0) + floor) * factor
        if alone.min() < without:
            without, place = float(alone.min()), (int(each.noises[alone.argmin()]), d)
        with_shape = np.maximum(left - slopes**2 / each.power, 0)
        with_shape = (with_shape + floor) * factor
        for kind, found in enumerate((alone[:, 0], with_shape.min(1))):
            noises[kind, each.noises] = np.minimum(noises[kind, each.noises], found)
        rows = with_shape.argmin(0)
        values = with_shape[rows, np.arange(s)]
        better = values < best
        best[better], noise[better], drift[better] = values[better], each.noises[rows[better]], d
    return Scan(
        -n / 2 * float(np.log(without)), *place, -n / 2 * np.log(best), noise, drift, *(-n / 2 * np.log(noises))
    )
