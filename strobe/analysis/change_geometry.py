"""What the least squares fits of a series are made of before its values are known.

For every noise and drift: how the drift, and every shape of a change beside it, lie in the metric of the noise.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.change_models import Models, models

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

FLOOR = 2e-3
"""A standard deviation of white noise, as a share of the range, that every series is taken to have at least: no model
fits a noiseless curve exactly, and what it misses by less tells nothing."""
_FEW = 12
"""Models of the noise that gradual changes are tried with where the variance changes: all would take seconds."""
_NEW = 1e-6
"""The least share of a shape that the mean must leave for the shape to tell anything."""


class Drift(NamedTuple):
    """One drift in the k models of the noise that it is tried with; p columns of the mean."""

    noises: Places
    """(k,)."""
    columns: Places
    """(p,)."""
    inverse: Floats
    """(k, p, p): of the columns' sums of squares."""
    level: Floats
    """(k,): the log likelihood but for the residual's part."""
    through: Floats
    """(k, s, p): what the columns explain of each shape."""
    power: Floats
    """(k, s): what they leave of its sum of squares; infinite where that is nothing."""


class Geometry(NamedTuple):
    """For series of n samples: N models of the noise, c columns of the mean, s shapes."""

    precisions: Floats
    """(N, n, n)."""
    shapes: Floats
    """(n, s), each sample over the size of the noise there, as the columns."""
    mean: Floats
    """(n, c)."""
    floor: Floats
    """(N,): what is left at least of a series of range 1."""
    drifts: tuple[Drift, ...]


@functools.lru_cache(maxsize=2)
def plain(n: int) -> Geometry:
    """All shapes of `models(n)` in noise of one size, with nothing found yet: most series need no other."""
    m = models(n)
    return _geometry(m, m.shapes, m.columns, m.precise_columns, m.white, m.shape_power, m.shape_columns, 0)


def geometry(
    m: Models, weight: Floats | None, curves: Floats, found: Floats, shapes: Floats | None = None
) -> Geometry:
    """As `plain`, with more drifts of `curves` (n, d), beside the changes `found` (n, f), for other `shapes` (n, s),
    or with weights (n,) for the samples."""
    more = np.column_stack([curves, found])
    mean = np.column_stack([m.columns, more])
    if weight is None:
        own, white = m.shapes if shapes is None else shapes, m.white
        precise = np.concatenate([m.precise_columns, m.precisions @ more], axis=2)
    else:
        own, mean = (m.shapes if shapes is None else shapes) * weight[:, None], mean * weight[:, None]
        precise, white = m.precisions @ mean, np.einsum("kii,i->k", m.precisions, weight**2)
    if shapes is not None:
        power = np.stack([np.einsum("ns,ns->s", own, each @ own) for each in m.precisions])
    else:
        power = m.shape_power if weight is None else _weighted_power(m, weight, own)
    if weight is None and shapes is None:
        known = m.columns.shape[1]
        cross = np.concatenate([m.shape_columns, own.T @ precise[:, :, known:]], axis=2)
    else:
        cross = own.T @ precise
    return _geometry(m, own, mean, precise, white, power, cross, curves.shape[1])


def _geometry(
    m: Models, shapes: Floats, mean: Floats, precise: Floats, white: Floats, power: Floats, cross: Floats, curves: int
) -> Geometry:
    n, known, c = len(mean), m.columns.shape[1], mean.shape[1]
    sums, raw = mean.T @ precise, mean.T @ mean
    every = [(own, np.flatnonzero(m.allowed[:, d])) for d, (_, own) in enumerate(m.drifts)]
    every += [((0, known + i), m.curved) for i in range(curves)]
    drifts = []
    for columns, rows in every:
        used = np.array([*columns, *range(known + curves, c)])
        block = sums[rows][:, used[:, None], used]
        inverse: Any = np.linalg.inv(block)
        own = cross[rows][:, :, used]
        through = own @ inverse
        left = power[rows] - np.einsum("ksi,ksi->ks", through, own)
        volume = np.linalg.slogdet(block)[1] - np.linalg.slogdet(raw[used[:, None], used])[1]
        level = -0.5 * n * (m.log_determinants[rows] + volume) / (n - len(used))
        kept = np.where(left > _NEW * power[rows], left, np.inf)
        drifts.append(Drift(rows, used, inverse, level, through, kept))
    return Geometry(m.precisions, shapes, mean, FLOOR**2 * white, tuple(drifts))


def _weighted_power(m: Models, weight: Floats, own: Floats) -> Floats:
    """(N, s): infinite, and so no gain, for gradual changes in most of the noises."""
    steps = int((m.widths == 0).sum())
    power = np.full((len(m.noises), own.shape[1]), np.inf)
    tried = np.linspace(0, len(m.noises) - 1, _FEW).round()
    first = int(np.ceil(m.middles[0]))
    for i, precision in enumerate(m.precisions):
        # A step's is the sum of a block of the precision: of every block from a place to the end.
        rows = np.triu(precision, 1) @ weight
        blocks = np.cumsum((weight * (2 * rows + np.diag(precision) * weight))[::-1])[::-1]
        power[i, :steps] = blocks[first : first + steps]
        if i in tried:
            power[i, steps:] = np.einsum("ns,ns->s", own[:, steps:], precision @ own[:, steps:])
    return power
