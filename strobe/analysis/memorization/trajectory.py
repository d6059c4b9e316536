"""Which way a measure goes over the epochs, by a declared rule, and how fast.

A curve of several passages is their mean, and a passage is one observation: what is fitted is fitted to each passage,
and tested over passages. A single curve is tested by what its fit leaves over.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.memorization.distributions import t_chance, t_quantile
from strobe.analysis.memorization.outcome import Outcome, cannot_tell

Floats = npt.NDArray[Any]
Kind = Literal["linear", "U", "inverted U", "monotone", "cannot tell"]

FEWEST: Final = {"monotone": 3, "linear": 4, "U": 5}
"""Epochs without which nothing of the kind is said."""
LINEAR_R2: Final = 0.9
_GAINED: Final = 0.02
"""R^2 that a bend must add before a line that fits is doubted."""
_BACK: Final = 0.1
"""Share of the whole way by which a monotone curve may step back."""
RULE: Final = (
    "a U where the quadratic's interval excludes 0, 97.5% of resamples and the fit have its vertex between the first "
    "and the last epoch, the least value is at neither, and the value at the last epoch lies above that nearest the "
    "vertex, interval and all; linear where R² is at least 0.9 and a bend adds less than 0.02 or cannot be told; "
    "monotone where the whole way is told and no step back is more than a tenth of it"
)


class Shape(NamedTuple):
    """`change` is of the last epoch against the first, `bend` the quadratic's coefficient (per epoch squared), both
    with interval and p. `vertex` is the epoch where the quadratic turns, with its bootstrap interval; NaN without a
    turn. `r2_linear` and `r2_quadratic` are of the mean curve."""

    kind: Kind
    reason: str
    change: Outcome
    bend: Outcome
    vertex: float
    vertex_low: float
    vertex_high: float
    r2_linear: float
    r2_quadratic: float


def one_sample(values: Floats) -> Outcome:
    """The mean of `values` (n,) against 0, by Student's t."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < 3:
        return cannot_tell(f"too few: {n} of at least 3")
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n)
    # Equal values differ by rounding alone.
    error = max(error, 1e-12 * max(abs(mean), 1e-300))
    reach = t_quantile(n - 1) * error
    return Outcome(mean / error, mean, mean - reach, mean + reach, t_chance(mean / error, n - 1))


def trajectory_shape(epochs: Floats, values: Floats, seed: int = 0, resamples: int = 1000) -> Shape:
    """The shape of `values` over `epochs` (E,), ascending: one curve (E,), or those of passages (P, E), by RULE."""
    epochs, values = np.asarray(epochs, np.float64), np.asarray(values, np.float64)
    if values.shape[-1:] != epochs.shape or (np.diff(epochs) <= 0).any() or values.ndim not in (1, 2):
        raise ValueError(f"values {values.shape} over epochs {epochs.shape} that do not all ascend")
    rows = values[None] if values.ndim == 1 else values[np.isfinite(values).all(1)]
    nothing = cannot_tell(f"too few: {len(epochs)} epochs of {len(rows)} curves")
    unknown = Shape("cannot tell", nothing.reason, nothing, nothing, *[math.nan] * 5)
    if len(epochs) < FEWEST["monotone"] or not len(rows) or not np.isfinite(rows).all():
        return unknown
    curve = rows.mean(0)
    if np.ptp(curve) <= 1e-12 * max(1.0, float(np.abs(curve).max())):
        return unknown._replace(reason="the values do not change")
    line, bow = _fit(epochs, curve, 1), _fit(epochs, curve, 2)
    tests = _of_one(epochs, curve) if len(rows) == 1 else _of_many(epochs, rows)
    made = unknown._replace(
        change=tests[0], bend=tests[1], r2_linear=_r2(epochs, curve, line), r2_quadratic=_r2(epochs, curve, bow)
    )
    if len(epochs) < FEWEST["U"]:
        return _named(epochs, curve, made, math.nan, 0.0)
    turns = _turns(epochs, rows, np.random.default_rng(seed), resamples)
    vertex = float(-bow[1] / (2 * bow[0])) if bow[0] else math.nan
    inside = float(((turns > epochs[0]) & (turns < epochs[-1])).mean())
    if epochs[0] < vertex < epochs[-1]:
        low, high = np.quantile(turns, [0.025, 0.975], method="inverted_cdf")
        ends = (float(end) if math.isfinite(end) else math.nan for end in (low, high))
        made = made._replace(vertex=vertex, vertex_low=next(ends), vertex_high=next(ends))
    return _named(epochs, curve, made, _rise(epochs, rows, vertex), inside)


def _fit(epochs: Floats, curve: Floats, degree: int) -> Floats:
    """Coefficients, the highest first."""
    return np.polyfit(epochs, curve, degree)


def _r2(epochs: Floats, curve: Floats, coefficients: Floats) -> float:
    left = curve - np.polyval(coefficients, epochs)
    return float(1 - (left**2).sum() / ((curve - curve.mean()) ** 2).sum())


def _of_many(epochs: Floats, rows: Floats) -> tuple[Outcome, Outcome]:
    bend = one_sample(np.polyfit(epochs, rows.T, 2)[0]) if len(epochs) >= FEWEST["U"] else _too_few(epochs)
    return one_sample(rows[:, -1] - rows[:, 0]), bend


def _too_few(epochs: Floats) -> Outcome:
    return cannot_tell(f"too few: {len(epochs)} epochs of at least {FEWEST['U']}")


def _of_one(epochs: Floats, curve: Floats) -> tuple[Outcome, Outcome]:
    """Of a single curve: slope times the whole length, and the quadratic's coefficient, by least squares."""
    whole = float(epochs[-1] - epochs[0])
    slope = _coefficient(epochs, curve, 1)
    change = slope._replace(effect=slope.effect * whole, low=slope.low * whole, high=slope.high * whole)
    return change, _coefficient(epochs, curve, 2) if len(epochs) >= FEWEST["U"] else _too_few(epochs)


def _coefficient(epochs: Floats, curve: Floats, degree: int) -> Outcome:
    powers = np.vander(epochs, degree + 1)
    freedom = len(epochs) - degree - 1
    if freedom < 1:
        return cannot_tell(f"too few: {len(epochs)} epochs")
    found = _fit(epochs, curve, degree)
    left = float(((curve - powers @ found) ** 2).sum()) / freedom
    left = max(left, (1e-12 * float(np.abs(curve).max())) ** 2)
    error = math.sqrt(left * float(np.linalg.pinv(powers.T @ powers)[0, 0]))
    reach = t_quantile(freedom) * error
    first = float(found[0])
    return Outcome(first / error, first, first - reach, first + reach, t_chance(first / error, freedom))


def _turns(epochs: Floats, rows: Floats, generator: np.random.Generator, resamples: int) -> Floats:
    """Where the quadratic turns in each resample, of passages or of what the fit of one curve leaves over; infinite
    where the bend has the other sign than in the fit."""
    curve = rows.mean(0)
    fitted = np.polyval(bow := _fit(epochs, curve, 2), epochs)
    if len(rows) == 1:
        made = fitted + generator.choice(curve - fitted, (resamples, len(epochs)))
    else:
        made = rows[generator.integers(0, len(rows), (resamples, len(rows)))].mean(1)
    square, slope, _ = np.polyfit(epochs, made.T, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.sign(square) == np.sign(bow[0]), -slope / (2 * square), np.inf)


def _rise(epochs: Floats, rows: Floats, vertex: float) -> float:
    """By how much the last value lies at least away from that nearest the vertex, up or down; 0 where it may not."""
    if not epochs[0] < vertex < epochs[-1]:
        return 0.0
    at = int(np.abs(epochs - vertex).argmin())
    if at == len(epochs) - 1:
        return 0.0
    if len(rows) == 1:
        left = rows[0] - np.polyval(_fit(epochs, rows[0], 2), epochs)
        gap, noise = float(rows[0, -1] - rows[0, at]), 2 * math.sqrt(2) * float(left.std())
        return gap if abs(gap) > noise else 0.0
    gap_of = one_sample(rows[:, -1] - rows[:, at])
    return 0.0 if gap_of.reason or gap_of.low <= 0 <= gap_of.high else gap_of.effect


def _told(test: Outcome) -> bool:
    return not test.reason and not test.low <= 0 <= test.high


def _named(epochs: Floats, curve: Floats, made: Shape, rise: float, inside: float) -> Shape:
    """The shape with its kind, by RULE."""
    n = len(epochs)
    up = not made.bend.reason and made.bend.effect > 0
    turning = int(curve.argmin() if up else curve.argmax())
    if (
        _told(made.bend) and math.isfinite(made.vertex) and inside >= 0.975 and 0 < turning < n - 1
        and (rise > 0 if up else rise < 0)
    ):  # fmt: skip
        return made._replace(kind="U" if up else "inverted U", reason="")
    bent = _told(made.bend) and made.r2_quadratic - made.r2_linear >= _GAINED
    if n >= FEWEST["linear"] and made.r2_linear >= LINEAR_R2 and not bent and _told(made.change):
        return made._replace(kind="linear", reason="")
    way = float(curve[-1] - curve[0])
    back = float((-np.sign(way) * np.diff(curve)).max())
    if _told(made.change) and way and back <= _BACK * abs(way):
        return made._replace(kind="monotone", reason="")
    return made._replace(reason="no shape that the rule tells from noise")


def velocity(epochs: Floats, values: Floats) -> tuple[Floats, Floats]:
    """(middles of the intervals (E - 1,), change per epoch (..., E - 1)) of `values` (..., E)."""
    epochs = np.asarray(epochs, np.float64)
    return (epochs[1:] + epochs[:-1]) / 2, np.diff(values, axis=-1) / np.diff(epochs)


def acceleration(epochs: Floats, values: Floats) -> tuple[Floats, Floats]:
    """(places (E - 2,), change of velocity per epoch (..., E - 2)), each between the middles of two intervals."""
    return velocity(*velocity(epochs, values))
