"""How classes lie in a space of representations: centroids, radius, spread, separation, alignment with a circle."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.circle_chance import UNKNOWN, of_alignment, of_cloud
from strobe.analysis.projection import circularity, pca

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class ClassGeometry(NamedTuple):
    """Of points in d dimensions in C classes; lengths are in the points' unit."""

    centroids: Floats
    """(C, d); NaN for a class without points, which has no centroid (and none at the origin)."""
    counts: npt.NDArray[np.int64]
    """(C,)."""
    variances: Floats
    """(C,): mean squared distance to the own centroid; NaN for a class without points."""
    radius: float
    """Root mean squared distance of all points to their own centroid."""
    spread: float
    """Root mean squared distance of the centroids to their mean, classes counted once each."""
    snr: float
    """spread^2 / radius^2; NaN where the radius is 0."""


def class_geometry(points: Array, labels: Array, n_classes: int) -> ClassGeometry:
    """The geometry of `points` (n, d) with integer `labels` (n,) in 0..n_classes - 1, in float64.

    Raises ValueError for shapes or labels that do not fit, or no points.
    """
    x, labels = np.asarray(points, np.float64), np.asarray(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1] or not len(x):
        raise ValueError(f"points {x.shape} and labels {labels.shape} are not (n, d) and (n,)")
    if not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"labels {labels.min()}..{labels.max()} are not all in 0..{n_classes - 1}")
    counts = np.bincount(labels, minlength=n_classes)
    members = np.zeros((n_classes, len(x)))
    members[labels, np.arange(len(x))] = 1
    with np.errstate(invalid="ignore"):
        centroids = members @ x / counts[:, None]
        squares = ((x - centroids[labels]) ** 2).sum(axis=1)
        variances = np.bincount(labels, squares, minlength=n_classes) / counts
    present = centroids[counts > 0]
    radius = float(np.sqrt(squares.mean()))
    spread = float(np.sqrt(((present - present.mean(axis=0)) ** 2).sum(axis=1).mean()))
    snr = (spread / radius) ** 2 if radius > 0 else float("nan")
    return ClassGeometry(centroids, counts, variances, radius, spread, snr)


def fisher(centroids: Array, variances: Array) -> Floats:
    """J(r, s) = |mu_r - mu_s|^2 / (var_r + var_s): (C, C) from (C, d) and (C,).

    NaN for an absent class, and where both variances are 0.
    """
    apart = ((centroids[:, None] - centroids[None]) ** 2).sum(axis=-1)
    total = variances[:, None] + variances[None]
    ratio: Floats = np.divide(apart, total, out=np.full(apart.shape, np.nan), where=total > 0)
    return ratio


def fourier_alignment(points: Array) -> tuple[float, int]:
    """How closely classes 0..p-1 follow one another round a circle, and at which frequency k = 1..p//2.

    max over k of |mean over r of exp(i (theta_r - 2 pi k r / p))|^2, for either sense of rotation, with theta_r the
    angle of `points` (p, 2), class r, about their mean: 1 = exactly in order. Absent classes (NaN) are left out of
    the mean. Raises ValueError for another shape or fewer than three points.
    """
    x = np.asarray(points, np.float64)
    present = np.flatnonzero(~np.isnan(x).any(axis=-1)) if x.ndim == 2 else np.array([], int)
    if x.ndim != 2 or x.shape[1] != 2 or len(present) < 3:
        raise ValueError(f"alignment needs at least three points (p, 2), not {len(present)} of {x.shape}")
    p = len(x)
    centred = x[present] - x[present].mean(axis=0)
    turn = np.exp(1j * np.arctan2(centred[:, 1], centred[:, 0]))
    waves = np.exp(-2j * np.pi / p * (np.arange(1, p // 2 + 1)[:, None] * present % p))
    scores = np.maximum(np.abs(waves @ turn), np.abs(waves.conj() @ turn)) ** 2 / len(present) ** 2
    return float(scores.max()), int(scores.argmax()) + 1


def frequency_round(points: Array, p: int, least: float = 0.5) -> int:
    """The frequency k in whose order k x mod p the residues x, rows 0..p-1 of `points` (rows, 2 or more), lie round
    their first two axes; 1 where their alignment is below `least` (noise scores 0.06 for p = 97), or rows miss.
    """
    x = np.asarray(points)[:p, :2]
    if p < 3 or len(x) < p or not np.isfinite(x).all():
        return 1
    score, k = fourier_alignment(x)
    return k if score >= least else 1


class SumClasses(NamedTuple):
    """How the classes a + b mod p lie; lengths are in the points' unit, the others have none."""

    radius: float
    spread: float
    snr: float
    fisher: float
    """The median over pairs of classes."""
    alignment: float
    """Of the centroids on their two principal axes, as `fourier_alignment` has it."""
    circularity: float
    """Of the centroids, without an order."""
    alignment_noise: float
    """The alignment of the same centroids in shuffled order, on average."""
    alignment_bound: float
    """At most this in 95% of the shufflings."""
    circularity_noise: float
    """The circularity of as many Gaussian points, as stretched, on average."""
    circularity_bound: float
    """At most this in 95% of the trials."""


def sum_classes(points: Array, p: int) -> SumClasses:
    """The geometry of representations (p * p, d) of all inputs, row a * p + b, by the class (a + b) mod p.

    NaN for what is not defined: ratios where the classes have no radius, what follows them where the centroids
    coincide. Raises ValueError for another shape.
    """
    if np.ndim(points) != 2 or len(points) != p * p:
        raise ValueError(f"points of shape {np.shape(points)} are not ({p * p}, d)")
    a, b = np.divmod(np.arange(p * p), p)
    classes = class_geometry(points, (a + b) % p, p)
    apart = fisher(classes.centroids, classes.variances)[np.triu_indices(p, 1)]
    median = float(np.nanmedian(apart)) if np.isfinite(apart).any() else float("nan")
    unknown = float("nan")
    order, round_, by_order, by_cloud = unknown, unknown, UNKNOWN, UNKNOWN
    if np.isfinite(classes.centroids).all() and classes.spread > 0 and classes.centroids.shape[1] >= 2:
        plane = pca(classes.centroids).points
        order, round_ = fourier_alignment(plane)[0], circularity(classes.centroids)
        by_order, by_cloud = of_alignment(plane), of_cloud(classes.centroids)
    return SumClasses(classes.radius, classes.spread, classes.snr, median, order, round_, *by_order, *by_cloud)
