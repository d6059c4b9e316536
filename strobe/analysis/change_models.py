"""What a series is compared with: drifts without a change, and the shapes that a change can have.

All of it depends on the number of samples alone, and is kept: the series of a run mostly share their length.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from strobe.analysis.noise_models import noise_models

Floats = npt.NDArray[np.float64]

LEAST_SIDE = 4
"""Fewest samples on either side of a step."""
LOGIT = 4.394
"""2 ln 9: how many times its scale a logistic curve takes from 10% to 90%."""
NARROWEST = 4.0
"""Samples from 10% to 90% of the narrowest gradual change; below it is a step."""
_SIDE = 0.6
"""How far from either end the middle of a gradual change lies at least, in its own widths: both ends are seen."""
_FALLING = (0.03, 0.07, 0.15, 0.3)
_RISING = (0.07, 0.2)
"""Time constants of exponential drifts, as shares of the series: early ones, and late ones."""
_POWERS = ((0.3, 1.0), (0.6, 1.0), (1.0, 1.0), (0.5, 5.0), (1.0, 5.0))


@dataclass(frozen=True, eq=False)
class Models:
    """For series of n samples: N models of the noise, c columns of the mean, D drifts made of them, s shapes."""

    noises: tuple[str, ...]
    precisions: Floats
    """(N, n, n)."""
    log_determinants: Floats
    """(N,), of the covariances."""
    white: Floats
    """(N,): what white noise of variance 1 adds to a quadratic form."""
    columns: Floats
    """(n, c): constant, slope, and the curves of the other drifts."""
    drifts: tuple[tuple[str, tuple[int, ...]], ...]
    """(name, its columns) of each."""
    allowed: npt.NDArray[np.bool_]
    """(N, D)."""
    shapes: Floats
    """(n, s): from 0 to 1."""
    middles: Floats
    widths: Floats
    """(s,) both, in samples: where a shape is halfway, and from 10% to 90%; 0 is a step."""
    precise_columns: Floats
    """(N, n, c): precision times columns."""
    shape_power: Floats
    """(N, s): shape' precision shape."""
    shape_columns: Floats
    """(N, s, c): shape' precision columns."""

    @property
    def curved(self) -> npt.NDArray[np.intp]:
        """The models of the noise that every drift is tried with."""
        return np.flatnonzero(self.allowed.all(axis=1))

    def some(self, noises: npt.NDArray[np.intp]) -> Models:
        """Only these models of the noise."""
        of_noise = (
            "precisions", "log_determinants", "white", "allowed", "precise_columns", "shape_power", "shape_columns",
        )  # fmt: skip
        kept: dict[str, Any] = {name: getattr(self, name)[noises] for name in of_noise}
        return replace(self, noises=tuple(self.noises[i] for i in noises), **kept)


def logistic(n: int, middle: Floats, width: Floats) -> Floats:
    """(n, k): rises from 0 to 1 in k middles and widths from 10% to 90%, in samples; 0 is a step."""
    place = np.arange(n)[:, None]
    scale = np.maximum(width, 1e-9) / LOGIT
    curve: Floats = 0.5 * (1 + np.tanh(np.clip((place - middle) / (2 * scale), -40, 40)))
    return curve


def room(width: float | Floats) -> float | Floats:
    """How many samples from either end the middle of a change of that width lies at least."""
    return np.maximum(LEAST_SIDE - 0.5, _SIDE * np.asarray(width))


@functools.lru_cache(maxsize=2)
def models(n: int) -> Models:
    """All models for n samples: hundreds of milliseconds and about 100 MB at 400, so the last two are kept."""
    columns, drifts = _drifts(n)
    middles, widths = _places(n)
    shapes = logistic(n, middles, widths)
    names, precisions, determinants, allowed = [], [], [], []
    for noise in noise_models(n):
        lower = np.linalg.cholesky(noise.covariance)
        inverse = np.linalg.inv(lower)
        names.append(noise.name)
        precisions.append(inverse.T @ inverse)
        determinants.append(2 * np.log(np.diag(lower)).sum())
        allowed.append([noise.level, True, *[noise.curved] * (len(drifts) - 2)])
    precision = np.stack(precisions)
    return Models(
        noises=tuple(names), precisions=precision, log_determinants=np.array(determinants),
        white=np.trace(precision, axis1=1, axis2=2), columns=columns, drifts=drifts,
        allowed=np.array(allowed), shapes=shapes, middles=middles, widths=widths,
        precise_columns=precision @ columns,
        shape_power=np.stack([np.einsum("ns,ns->s", shapes, each @ shapes) for each in precision]),
        shape_columns=shapes.T @ (precision @ columns),
    )  # fmt: skip


def _drifts(n: int) -> tuple[Floats, tuple[tuple[str, tuple[int, ...]], ...]]:
    """Columns, and the drifts made of them: none, linear, slowing or quickening exponentials, powers, logarithm."""
    place = np.arange(n, dtype=float)
    share = place / (n - 1)
    curves = {"linear": share}
    curves |= {f"exponential, {t:g} of the series": np.exp(-share / t) for t in _FALLING}
    curves |= {f"late exponential, {t:g} of the series": np.exp((share - 1) / t) for t in _RISING}
    curves |= {
        f"power -{power:g} from {start:g}": (place + start) ** -power for power, start in (*_POWERS, (1.0, 0.1 * n))
    }
    curves |= {"logarithmic": np.log(place + 1)}
    columns = np.stack([np.ones(n), *curves.values()], axis=1)
    drifts = (("none", (0,)), *((name, (0, i)) for i, name in enumerate(curves, 1)))
    return columns, drifts


def _places(n: int) -> tuple[Floats, Floats]:
    """Middles and widths of the shapes: a step between any two samples, and gradual changes, coarsely."""
    steps = np.arange(LEAST_SIDE, n - LEAST_SIDE + 1) - 0.5
    middles, widths = [steps], [np.zeros(len(steps))]
    width = NARROWEST
    while width <= 0.6 * n:
        gap = room(width)
        count = int((n - 1 - 2 * gap) / max(1.0, width / 2.5)) + 1
        middles.append(np.linspace(gap, n - 1 - gap, max(count, 2)))
        widths.append(np.full(max(count, 2), width))
        width *= 1.6
    return np.concatenate(middles), np.concatenate(widths)
