"""Points in two or three dimensions: PCA, t-SNE, UMAP, and movies in which only learning moves the picture."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Projection(NamedTuple):
    """Points seen along a few axes."""

    points: Floats
    """(n, k), centred, in the unit of the input."""
    axes: Floats
    """(d, k), orthonormal columns."""
    explained: Floats
    """(k,): the share of the points' variance along each axis; NaN where they do not vary."""


def pca(points: Array, count: int = 2) -> Projection:
    """Principal components of `points` (n, d) in float64, with the signs that `principal_axes` fixes."""
    rows = _sound_rows(points, count)
    axes = _axes(rows, count)
    seen = rows @ axes
    with np.errstate(invalid="ignore"):
        explained = (seen**2).sum(axis=0) / np.vdot(rows, rows)
    return Projection(seen, axes, explained)


def principal_axes(points: Array, count: int = 2) -> Floats:
    """The first `count` principal axes of the rows of `points` (n, d), as orthonormal columns (d, count).

    Signs are fixed (the largest entry of each axis is positive), so that the same data always gives the same
    picture. Raises ValueError where there are fewer than `count` dimensions or a value is not finite.
    """
    return _axes(_sound_rows(points, count), count)


def _sound_rows(points: Array, count: int) -> Floats:
    """The points centred, once they are known to have `count` axes."""
    shape = np.shape(points)
    if len(shape) != 2 or min(shape) < count:
        raise ValueError(f"{count} axes need at least {count} rows and columns, got shape {shape}")
    rows = _centred(points)
    # One NaN or infinity makes its column's mean, and so the whole centred column, NaN.
    if not np.isfinite(rows[0]).all():
        raise ValueError("a value is not finite")
    return rows


def project(points: Array, axes: Floats) -> Floats:
    """Rows of `points` (n, d) centred and projected on `axes` (d, k): shape (n, k)."""
    return _centred(points) @ axes


def _centred(points: Array) -> Floats:
    rows = np.array(points, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        rows -= rows.mean(axis=-2, keepdims=True)
    return rows


def _axes(rows: Floats, count: int) -> Floats:
    """Of centred rows (n, d). Where n >= d the d x d Gram matrix has the same axes and is far quicker than an SVD."""
    if rows.shape[0] >= rows.shape[1]:
        axes = np.linalg.eigh(rows.T @ rows).eigenvectors[:, ::-1][:, :count]
    else:
        axes = np.linalg.svd(rows, full_matrices=False).Vh[:count].T
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(count)]
    return np.ascontiguousarray(axes * np.where(largest < 0, -1.0, 1.0))


class ProjectedFrames(NamedTuple):
    """The same n points in every frame."""

    frames: Floats
    """(steps, n, k)."""
    explained: Floats
    """(steps,): the share of each frame's variance that is seen."""


def pca_movie(frames: Array, count: int = 2, basis: Literal["joint"] | int = "joint") -> ProjectedFrames:
    """Every frame of (steps, n, d) along the same axes: nothing turns but what the model turns.

    The axes are those of all frames together, each centred on its own mean ("joint": frames with more variance weigh
    more), or of the one frame whose index is given (-1: the last).
    """
    rows = _centred(frames)
    if rows.ndim != 3:
        raise ValueError(f"a movie needs frames (steps, n, d), not shape {rows.shape}")
    axes = principal_axes(frames[basis], count) if basis != "joint" else _joint_axes(rows, count)
    seen = rows @ axes
    with np.errstate(invalid="ignore"):
        explained = (seen**2).sum(axis=(1, 2)) / np.einsum("snd,snd->s", rows, rows)
    return ProjectedFrames(seen, explained)


def _joint_axes(rows: Floats, count: int) -> Floats:
    stacked = rows.reshape(-1, rows.shape[-1])
    if min(stacked.shape) < count or not np.isfinite(stacked).all():
        raise ValueError(f"no {count} axes: shape {rows.shape}, or a value is not finite")
    return _axes(stacked, count)


def procrustes(points: Array, reference: Array) -> Floats:
    """`points` (n, k) rotated, mirrored and moved, never scaled, as near to `reference` (n, k) as they come.

    Least squares (Schoenemann 1966): with U S V^T the SVD of the centred points^T reference, the rotation is U V^T.
    """
    x, target = np.asarray(points, np.float64), np.asarray(reference, np.float64)
    if x.ndim != 2 or x.shape != target.shape:
        raise ValueError(f"points {x.shape} and reference {target.shape} are not (n, k) alike")
    rows = _centred(x)
    U, _, Vh = np.linalg.svd(rows.T @ _centred(target))
    aligned: Floats = rows @ (U @ Vh) + target.mean(axis=0)
    return aligned


def tsne(
    points: Array, count: int = 2, *, perplexity: float = 30.0, seed: int = 0, start: Array | None = None
) -> Floats:
    """t-SNE (van der Maaten and Hinton 2008; scikit-learn) of (n, d): (n, count), no unit.

    Starts from the PCA, or from `start` (n, count). The perplexity is lowered to (n - 1) / 3 for few points.
    Distances between clusters, and their sizes, mean nothing.
    """
    from sklearn.manifold import TSNE

    rows = np.asarray(points, np.float32)
    if len(rows) < 5:
        raise ValueError(f"{len(rows)} points are too few for t-SNE; give at least 5")
    first = _centred(start if start is not None else pca(rows, count).points)
    # What scikit-learn does to its own PCA start: a small spread, so that the early steps can still arrange clusters.
    scale = first[:, 0].std()
    first = (first * (1e-4 / scale if scale > 0 else 1.0)).astype(np.float32)
    near = min(perplexity, (len(rows) - 1) / 3)
    model = TSNE(n_components=count, perplexity=near, init=first, random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(rows), np.float64)


def umap(points: Array, count: int = 2, *, neighbours: int = 15, min_dist: float = 0.1, seed: int = 0) -> Floats:
    """UMAP (McInnes, Healy and Melville 2018; umap-learn) of (n, d): (n, count), no unit; the same for the same seed.

    The import takes over a second and the first fit of a process much longer (it compiles): keep it out of the app's
    own process.
    """
    rows = np.asarray(points, np.float32)
    near = _neighbours(len(rows), neighbours)
    with _without_umap_warnings():
        from umap import UMAP

        model = UMAP(n_components=count, n_neighbors=near, min_dist=min_dist, random_state=seed, n_jobs=1)
        return np.asarray(model.fit_transform(rows), np.float64)


def aligned_umap(
    frames: Sequence[Array] | Array, count: int = 2, *, neighbours: int = 15, min_dist: float = 0.1, seed: int = 0
) -> Floats:
    """All frames (steps, n, d) in one UMAP that holds each point near where it was: (steps, n, count)."""
    if len(frames) < 2:
        raise ValueError("AlignedUMAP needs at least two frames")
    rows = [np.asarray(frame, np.float32) for frame in frames]
    same = {i: i for i in range(len(rows[0]))}
    near = _neighbours(len(rows[0]), neighbours)
    with _without_umap_warnings():
        from umap import AlignedUMAP

        model = AlignedUMAP(n_components=count, n_neighbors=near, min_dist=min_dist, random_state=seed)
        model.fit(rows, relations=[same] * (len(rows) - 1))
    return np.stack([np.asarray(frame, np.float64) for frame in model.embeddings_])


@contextlib.contextmanager
def _without_umap_warnings() -> Iterator[None]:
    """Hides that TensorFlow is absent, which nothing here uses, and that a seed means one thread, which is meant."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        warnings.filterwarnings("ignore", "n_jobs value", UserWarning)
        yield


def _neighbours(n: int, wanted: int) -> int:
    if n < 5:
        raise ValueError(f"{n} points are too few for UMAP; give at least 5")
    return min(wanted, n - 1)


def circularity(points: Array, order: Array | None = None) -> float:
    """How nearly `points` (n, d) lie on one circle: 1 = exactly, 0 = not at all (a line).

    With `order` (n,), the position of each point round the circle in turns times n (for residues x mod p at frequency
    k: k x mod p): the points are fitted by c + u cos phi + v sin phi, phi = 2 pi order / n, in all d dimensions, and
    the result is (share of the variance that the fit explains) x (s_2 / s_1)^2, s the singular values of [u v]. So a
    circle run through in another order is no circle. Without: in the plane of the first two components, (1 - mean
    squared residual of the least-squares circle / variance there) x (EVR1 + EVR2) x (EVR2 / EVR1), EVR the explained
    variance ratios, clipped to [0, 1]. That one is high for a round cloud too, most of whose points are about as far
    from the middle: near pi/4 for a large Gaussian one in the plane. A plane that was chosen from the points raises
    either score: `circle_chance` has what noise of the same shape gets. NaN where the points do not vary, a value is
    not finite, or n < 3.
    """
    x = np.asarray(points, np.float64)
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"circularity needs points (n, 2 or more), not {x.shape}")
    if order is not None and np.asarray(order).shape != x.shape[:1]:
        raise ValueError(f"an order of shape {np.asarray(order).shape} does not fit {len(x)} points")
    if len(x) < 3 or not np.isfinite(x).all():
        return float("nan")
    rows = _centred(x)
    variance = float(np.einsum("nd,nd->", rows, rows)) / len(x)
    if variance <= (1e-14 * np.abs(x).max()) ** 2:
        return float("nan")
    score = _unordered(rows, variance) if order is None else _ordered(rows, variance, np.asarray(order, np.float64))
    return float(np.clip(score, 0.0, 1.0))


def _ordered(rows: Floats, variance: float, order: Floats) -> float:
    phi = 2 * np.pi / len(rows) * order
    waves = np.stack([np.cos(phi), np.sin(phi), np.ones(len(rows))], axis=1)
    fit, _, rank, _ = np.linalg.lstsq(waves, rows)
    if rank < 3:
        return 0.0
    left = rows - waves @ fit
    s = np.linalg.svd(fit[:2], compute_uv=False)
    explained = 1 - np.einsum("nd,nd->", left, left) / len(rows) / variance
    return float(explained * (s[1] / s[0]) ** 2) if s[0] > 0 else 0.0


def _unordered(rows: Floats, variance: float) -> float:
    plane = rows @ np.linalg.svd(rows, full_matrices=False).Vh[:2].T
    parts = (plane**2).mean(axis=0)
    if parts[1] <= 1e-14 * parts[0]:
        return 0.0
    # |x|^2 = 2 c.x + (r^2 - |c|^2) is linear in the unknowns (Kasa 1976).
    squares = (plane**2).sum(axis=1)
    fit = np.linalg.lstsq(np.column_stack([2 * plane, np.ones(len(plane))]), squares)[0]
    radius = np.sqrt(max(fit[2] + fit[:2] @ fit[:2], 0.0))
    residual = np.hypot(*(plane - fit[:2]).T) - radius
    return float((1 - (residual**2).mean() / parts.sum()) * parts.sum() / variance * parts[1] / parts[0])
