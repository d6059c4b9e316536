"""Smooth drifts with parameters of their own: exponentials and powers, placed by what fits best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Products = Callable[[Floats], tuple[Floats, Floats]]
"""Columns (n, k) -> their products with the series (k,) and with each other (k, k), in the metric of its noise."""

_POINTS = 9
_OF_RATES = 13
"""Places of a grid along each parameter; of a sum the curves are few, and closer places cost little."""
_ROUNDS = 8
"""The grid of parameters is halved that often: they end within 1% of the best."""


class Drifts(Protocol):
    """A family of curves."""

    def best(self, products: Products, n: int) -> Floats:
        """The curve (n,) that explains most of the series."""
        ...


@dataclass(frozen=True)
class Family:
    """Curves of n samples by the logarithms of their parameters."""

    curve: Callable[[Floats, Floats], Floats]
    """(places (n, 1), parameters (q, k)) -> (n, k)."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """(q,): natural bounds of the parameters; negative ones count in lengths of the series."""

    def best(self, products: Products, n: int) -> Floats:
        place = np.arange(n, dtype=float)[:, None]

        def chosen(axes: list[Floats]) -> Floats:
            tried = np.stack([each.ravel() for each in np.meshgrid(*axes)])
            through, sums = products(self.curve(place, np.exp(tried)))
            found: Floats = tried[:, _gain(through, np.diag(sums)).argmax()]
            return found

        parameters = _halved(self.low, self.high, n, _POINTS, chosen)
        return self.curve(place, np.exp(parameters)[:, None])[:, 0]


@dataclass(frozen=True)
class TwoRates:
    """exp(-place / fast) + share exp(-place / slow), 0 < share: what explains most of a series is, for two time
    constants, known in closed form."""

    low: tuple[float, float] = (0.5, 2.0)
    high: tuple[float, float] = (-0.5, -3.0)
    """Bounds of fast and slow, as those of a `Family`."""
    shares: tuple[float, float] = (0.02, 50.0)

    def best(self, products: Products, n: int) -> Floats:
        place = np.arange(n, dtype=float)[:, None]

        def chosen(axes: list[Floats]) -> Floats:
            through, sums = products(np.exp(-place / np.exp(np.concatenate(axes))))
            gain, _ = self._shared(through, sums, len(axes[0]))
            # Each pair once: in the other order the slower one would end at the faster one's bound.
            gain[axes[0][:, None] >= axes[1]] = -1
            fast, slow = np.unravel_index(int(gain.argmax()), gain.shape)
            return np.array([axes[0][fast], axes[1][slow]])

        pair = np.exp(-place / np.exp(_halved(self.low, self.high, n, _OF_RATES, chosen)))
        _, share = self._shared(*products(pair), 1)
        found: Floats = pair[:, 0] + share[0, 0] * pair[:, 1]
        return found

    def _shared(self, through: Floats, sums: Floats, count: int) -> tuple[Floats, Floats]:
        """(count, k): what each of the first `count` columns explains with each of the k others, and in which share.

        (a + w b)^2 / (A + 2 w C + w^2 B) is stationary at w = (b A - a C) / (a B - b C), else largest at an end.
        """
        own = np.diag(sums)
        a, A = through[:count, None], own[:count, None]
        b, B, C = through[None, count:], own[None, count:], sums[:count, count:]
        below = a * B - b * C
        top = np.divide(b * A - a * C, below, out=np.ones_like(C), where=np.abs(below) > 1e-300)
        tried = np.stack([np.clip(top, *self.shares), *(np.full_like(top, end) for end in self.shares)])
        gain = _gain(a + tried * b, A + 2 * tried * C + tried**2 * B)
        best = gain.argmax(0)[None]
        return np.take_along_axis(gain, best, 0)[0], np.take_along_axis(tried, best, 0)[0]


def _gain(through: Floats, power: Floats) -> Floats:
    explained: Floats = np.divide(through**2, power, out=np.zeros_like(power), where=power > 1e-9)
    return explained


def _halved(
    low: tuple[float, ...], high: tuple[float, ...], n: int, points: int, chosen: Callable[[list[Floats]], Floats]
) -> Floats:
    """Logarithms (q,) of the best parameters within the bounds: `chosen` of places along each axis, again and again
    closer about what it chose."""
    least, most = (np.log([-n * each if each < 0 else each for each in ends]) for ends in (low, high))
    middle, reach = (least + most) / 2, (most - least) / 2
    for _ in range(_ROUNDS):
        places = middle[:, None] + reach[:, None] * np.linspace(-1, 1, points)
        middle = chosen(list(np.clip(places, least[:, None], most[:, None])))
        reach = reach / 2
    return middle


FAMILIES: dict[str, Drifts] = {
    "exponential": Family(lambda at, t: np.exp(-at / t[0]), (1.0,), (-3.0,)),
    "late exponential": Family(lambda at, t: np.exp((at - len(at) + 1) / t[0]), (1.0,), (-3.0,)),
    "power": Family(lambda at, q: ((at + q[1]) / q[1]) ** -q[0], (0.05, 0.5), (4.0, -1.0)),
    "rising power": Family(lambda at, q: ((at + q[1]) / len(at)) ** q[0], (0.05, 0.01), (3.0, -1.0)),
    "two exponentials": TwoRates(),
}
"""exp(-place / t), exp((place - last) / t), (place + start) ** -power and ** power, and a sum of two exponentials of
one sign, in samples."""
