"""Series whose changes are known: kinds without any, and planted steps and gradual rises."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.change_points import Change

Floats = npt.NDArray[np.float64]
Random = np.random.Generator
Make = Callable[[Random, int], Floats]

GRADUAL_SD = 20.0
"""How far a planted gradual rise goes, in standard deviations of its noise."""
STEP_SD = 3.0


def autoregressive(random: Random, n: int, coefficient: float) -> Floats:
    """AR(1) noise of unit innovations, after a burn-in of 400."""
    noise = random.standard_normal(n + 400)
    for i in range(1, len(noise)):
        noise[i] += coefficient * noise[i - 1]
    return noise[400:]


def flicker(random: Random, n: int) -> Floats:
    """A stretch of Gaussian noise of eight times its length whose power goes with 1 / frequency."""
    frequency = np.fft.rfftfreq(8 * n)
    frequency[0] = np.inf
    parts = random.standard_normal((2, len(frequency)))
    return np.fft.irfft((parts[0] + 1j * parts[1]) / np.sqrt(frequency), 8 * n)[:n]


def along(n: int) -> Floats:
    return np.linspace(0, 1, n)


def ramp(random: Random, n: int) -> Floats:
    return random.uniform(-2, 2) * along(n)


def power(random: Random, n: int) -> Floats:
    """A power law from its first to its twentieth sample on."""
    return (np.arange(n) + random.uniform(1, 20)) ** -random.uniform(0.2, 1.5)


def exponential(random: Random, n: int) -> Floats:
    """A decay over a fiftieth to a half of the series."""
    return np.exp(-along(n) / np.exp(random.uniform(np.log(0.02), np.log(0.5))))


def rising_power(random: Random, n: int) -> Floats:
    """A power between a fifth and nine tenths, from a step after its start to a twentieth of the series after it."""
    return (along(n) + random.uniform(1 / n, 0.05)) ** random.uniform(0.2, 0.9)


def two_exponentials(random: Random, n: int) -> Floats:
    """A fall at two rates: over 3 to 10 samples, and over two fifths to one and a half times the series."""
    fast, slow = np.arange(n) / random.uniform(3, 10), along(n) / random.uniform(0.4, 1.5)
    return np.exp(-fast) + random.uniform(0.2, 1) * np.exp(-slow)


def noisy(curve: Make, share: float = 0.02) -> Make:
    """With white noise of this share of the curve's range."""

    def make(random: Random, n: int) -> Floats:
        clean = curve(random, n)
        return clean + share * np.ptp(clean) * random.standard_normal(n)

    return make


def _white(random: Random, n: int) -> Floats:
    return random.standard_normal(n)


def _memory(coefficient: float) -> Make:
    return lambda random, n: autoregressive(random, n, coefficient)


def _under_white(random: Random, n: int) -> Floats:
    """AR(1) noise of 0.95 and white noise, of equal variance."""
    return autoregressive(random, n, 0.95) * np.sqrt(1 - 0.95**2) + random.standard_normal(n)


def _walk(drift: float) -> Make:
    return lambda random, n: np.cumsum(random.standard_normal(n) + drift)


def _decaying(random: Random, n: int) -> Floats:
    """White noise that shrinks to a twentieth."""
    return random.standard_normal(n) * np.exp(-3 * along(n))


WITHOUT_CHANGE: dict[str, Make] = {
    "white": _white,
    "AR(1), 0.5": _memory(0.5),
    "AR(1), 0.9": _memory(0.9),
    "AR(1), 0.95": _memory(0.95),
    "AR(1), 0.95, and white": _under_white,
    "1/f": flicker,
    "random walk": _walk(0.0),
    "random walk with drift 0.2": _walk(0.2),
    "decaying variance": _decaying,
    "ramp": noisy(ramp),
    "ramp without noise": ramp,
    "power law": noisy(power),
    "power law without noise": power,
    "rising power": noisy(rising_power, 0.007),
    "fall at two rates": noisy(two_exponentials, 0.007),
    "exponential decay": noisy(exponential),
    "exponential decay without noise": exponential,
}


class Planted(NamedTuple):
    values: Floats
    at: float
    """The first sample of a step's new level, or the middle of a gradual rise, in samples."""


def planted_step(random: Random, n: int) -> Planted:
    """3 standard deviations of the white noise around it, a fifth from either end or farther."""
    at = int(random.integers(n // 5, n - n // 5 + 1))
    return Planted(STEP_SD * (np.arange(n) >= at) + random.standard_normal(n), at)


def planted_rise(random: Random, n: int) -> Planted:
    """A logistic curve 20 standard deviations high, with a tenth to two fifths of the series from 10% to 90%."""
    width, middle = n * random.uniform(0.1, 0.4), n * random.uniform(0.3, 0.7)
    curve = 1 / (1 + np.exp(-(np.arange(n) - middle) * 2 * np.log(9) / width))
    return Planted(GRADUAL_SD * curve + random.standard_normal(n), middle)


def is_found(kind: str, planted: Planted, changes: tuple[Change, ...]) -> Change | None:
    """The change that is the planted one: a step within two samples, or a gradual change that is alone."""
    if kind == "step":
        return next((change for change in changes if abs(change.step - planted.at) <= 2), None)
    return changes[0] if len(changes) == 1 and changes[0].kind == kind else None
