"""What circularity and alignment come to where there is no circle: simulated for the very points that were measured.

Each reference keeps what is no evidence for a circle: how many points there are, how stretched they lie, and how many
views were tried. Mean and 95% bound of `TRIALS` trials, from a fixed seed: the same points always get the same bound.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.fourier import basis

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

TRIALS = 400
ORDER_TRIALS = 200
"""Of `of_circles`, whose trials cost more."""
_CHUNK = 50
"""Trials that are computed together."""
_ROUNDING = 1e-9
_NONE = float("nan")


class Chance(NamedTuple):
    """What chance gives; NaN where there is nothing to simulate, or too few points to exceed it."""

    mean: float
    bound: float
    """At most this in 95% of the trials."""


UNKNOWN = Chance(_NONE, _NONE)


def of_cloud(points: Array, *, filled: bool = False) -> Chance:
    """The circularity, without an order, of noise as stretched as `points` (n, d) along their two principal axes.

    The trials are n Gaussian points in the plane, or with `filled` n points evenly over an ellipse, brought to
    exactly the singular values that the points have there. For Gaussian rows in d dimensions that is their
    distribution in the plane of their own first two components, given those singular values: the plane may be chosen
    from the points.
    """
    x = _centred(points)
    if len(x) < 3 or not np.isfinite(x).all():
        return UNKNOWN
    s = np.linalg.svd(x, compute_uv=False)
    if len(s) < 2 or s[1] <= 1e-7 * s[0]:
        return UNKNOWN
    ratio = float(s[1] / s[0])
    seen = float((s[:2] ** 2).sum() / (s**2).sum())
    return _chance(_roundness(_clouds(len(x), filled) * [1.0, ratio]) * seen * ratio**2)


def of_circles(rows: Array, trials: int = ORDER_TRIALS) -> Chance:
    """The circularity of residues 0..p-1 = the rows of (p, d), in shuffled order, in the best of all their circles.

    Each frequency k below p / 2 has a plane, that of the rows' cosine and sine components; circularity there is in
    the order k x mod p. The largest of them is a trial's: a bound for whichever circle was picked from all.
    """
    x = _centred(rows)
    if len(x) < 5 or not np.isfinite(x).all() or not x.any():
        return UNKNOWN
    # In the basis of their own singular vectors the covariance is diagonal, whatever the order of the rows.
    u, s, _ = np.linalg.svd(x / np.abs(x).max(), full_matrices=False)
    kept = s > 1e-7 * s[0]
    if kept.sum() < 2:
        return UNKNOWN
    place, random = u[:, kept] * s[kept], np.random.default_rng(0)
    orders = [random.permutation(len(x)) for _ in range(trials)]
    chunks = [orders[start : start + _CHUNK] for start in range(0, trials, _CHUNK)]
    return _chance(np.concatenate([_best_circles(place[np.stack(chunk)], s[kept] ** 2) for chunk in chunks]))


def of_alignment(points: Array) -> Chance:
    """The `fourier_alignment` of points (p, 2) in shuffled order: the best of all frequencies, either sense."""
    x = _centred(points)
    if len(x) < 3 or x.shape[1] != 2 or not np.isfinite(x).all():
        return UNKNOWN
    p, turn, random = len(x), np.exp(1j * np.arctan2(x[:, 1], x[:, 0])), np.random.default_rng(0)
    shuffled = np.stack([turn[random.permutation(p)] for _ in range(TRIALS)], axis=1)
    waves = np.exp(-2j * np.pi / p * (np.arange(1, p // 2 + 1)[:, None] * np.arange(p) % p))
    scores = np.maximum(np.abs(waves @ shuffled), np.abs(waves.conj() @ shuffled)) ** 2 / p**2
    return _chance(scores.max(axis=0))


def _chance(scores: Floats) -> Chance:
    """Of n scores, the bound is that of rank 0.95 (n + 1): one more like them is above it in at most 5% of cases.

    UNKNOWN where the bound is the best of all trials but for rounding: of so few points none can be above it. Three
    always lie on one circle, and five in random order are on the best of their circles more often than in 5%.
    """
    rank = min(int(np.ceil(0.95 * (len(scores) + 1))), len(scores))
    bound, best = float(np.sort(scores)[rank - 1]), float(scores.max())
    if best - bound <= _ROUNDING * best:
        return UNKNOWN
    return Chance(float(scores.mean()), bound)


def _centred(points: Array) -> Floats:
    x = np.asarray(points, np.float64)
    centred: Floats = x - x.mean(axis=0)
    return centred


@functools.lru_cache(maxsize=8)
def _clouds(n: int, filled: bool) -> Floats:
    """(TRIALS, n, 2): clouds whose columns are centred, orthogonal and of unit norm, turned by no preferred angle."""
    random = np.random.default_rng(0)
    x = random.normal(size=(TRIALS, n, 2))
    if filled:
        x *= (np.sqrt(random.uniform(size=(TRIALS, n))) / np.linalg.norm(x, axis=2))[:, :, None]
    x -= x.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(x.transpose(0, 2, 1) @ x)
    whitened: Floats = x @ (vectors / np.sqrt(values)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return whitened


def _roundness(clouds: Floats) -> Floats:
    """1 - mean squared residual of the least-squares circle / variance, of each cloud (trials, n, 2) whose columns
    are centred and orthogonal: then Kasa's fit of |x|^2 = 2 c.x + g has its unknowns one by one."""
    squares = (clouds**2).sum(axis=2)
    power = (clouds**2).sum(axis=1)
    centre = np.einsum("tn,tnd->td", squares, clouds) / (2 * power)
    radius = np.sqrt(squares.mean(axis=1) + (centre**2).sum(axis=1))
    off = np.hypot(*(clouds - centre[:, None]).transpose(2, 0, 1)) - radius[:, None]
    roundness: Floats = 1 - (off**2).sum(axis=1) / power.sum(axis=1)
    return roundness


def _best_circles(place: Floats, powers: Floats) -> Floats:
    """The largest circularity over all frequencies of rows (trials, p, r) whose covariance is diagonal: `powers`
    (r,). Shape (trials,)."""
    trials, p, rank = place.shape
    pairs = (basis(p).matrix[1 : 2 * ((p - 1) // 2) + 1] @ place).reshape(trials, -1, 2, rank)
    cos, sin = pairs[:, :, 0], pairs[:, :, 1]
    a, b, c = (np.einsum("tkr,tkr->tk", *two) for two in ((cos, cos), (cos, sin), (sin, sin)))
    seen_a, seen_b, seen_c = (
        np.einsum("tkr,tkr->tk", one * powers, other) for one, other in ((cos, cos), (cos, sin), (sin, sin))
    )
    trace, det = a + c, a * c - b * b
    root = np.sqrt(np.maximum(trace**2 / 4 - det, 0))
    low, high = trace / 2 - root, trace / 2 + root
    flat = low <= 1e-14 * high
    # The variance in the plane: the trace of (P P^T)^-1 P C P^T, P the pair and C the covariance.
    in_plane = np.divide(c * seen_a + a * seen_c - 2 * b * seen_b, det, out=np.ones_like(det), where=~flat)
    best: Floats = np.where(flat, 0, trace / in_plane * low / np.where(flat, 1, high)).max(axis=1)
    return best
