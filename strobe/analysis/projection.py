"""Linear projections onto a basis that stays fixed while a movie plays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def principal_axes(points: NDArray[np.floating], count: int = 2) -> NDArray[np.float64]:
    """The first `count` principal axes of the rows of `points` (n, d), as orthonormal columns (d, count).

    Signs are fixed (the largest entry of each axis is positive), so that the same data always gives the same
    picture. Raises ValueError where there are fewer than `count` dimensions or a value is not finite.
    """
    rows = np.asarray(points, dtype=np.float64)
    if rows.ndim != 2 or min(rows.shape) < count:
        raise ValueError(f"{count} axes need at least {count} rows and columns, got shape {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("a value is not finite")
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    axes = axes[:count]
    signs = np.sign(axes[np.arange(count), np.abs(axes).argmax(axis=1)])
    return np.ascontiguousarray((axes * np.where(signs == 0, 1, signs)[:, None]).T)


def project(points: NDArray[np.floating], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of `points` (n, d) centred and projected on `axes` (d, k): shape (n, k)."""
    rows = np.asarray(points, dtype=np.float64)
    return (rows - rows.mean(axis=0)) @ axes
