"""Spectra of weight matrices: singular values, and the ranks read off them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

DIRECT = 1 << 14
"""Up to so many entries a matrix is decomposed directly; beyond, its Gram matrix is several times faster."""


class SingularValues(NamedTuple):
    """Singular values, descending, and how far each may be off."""

    values: Floats
    """(min(m, n),)."""
    error: Floats
    """(min(m, n),): a bound on the absolute error of each, for the method used."""
    method: str
    """"svd" or "gram"."""


def singular_values(W: Array) -> SingularValues:
    """The singular values of a matrix (m, n) of any float dtype, computed in float64. Unit: that of W.

    Small matrices: LAPACK's SVD. Others: the square roots of the eigenvalues of the Gram matrix of the shorter side.
    An eigenvalue there is off by about eps s_1^2, so a singular value s by eps s_1^2 / s: measured below 1e-6 of
    *itself* at condition number 1e5, and what lies below 1e-8 s_1 is not resolved; `error` says so for each value. (A
    float32 SVD is off by 1e-7 s_1 everywhere.) All NaN where an entry is not finite; inf where a value is beyond
    float64, though every entry is within: `why_none` tells the two apart. Raises ValueError unless W has two axes.
    """
    if W.ndim != 2 or 0 in W.shape:
        raise ValueError(f"singular values need a matrix with entries, not shape {W.shape}")
    exact = np.asarray(W, np.float64)
    eps = float(np.finfo(np.float64).eps)
    # The largest entry scaled to about 1, so that no square leaves the range of float64.
    scale = float(np.abs(exact).max())
    if not 0 < scale < np.inf:
        values = np.full(min(W.shape), 0.0 if scale == 0 else np.nan)
        return SingularValues(values, values.copy(), "svd")
    exponent = int(np.frexp(scale)[1])
    exact = np.ldexp(exact, -exponent) if abs(exponent) > 400 else exact
    shift = exponent if abs(exponent) > 400 else 0
    if exact.size <= DIRECT:
        s: Floats = np.linalg.svd(exact, compute_uv=False).astype(np.float64, copy=False)
        return SingularValues(_by(s, shift), _by(np.full(len(s), len(s) * eps * s[0]), shift), "svd")
    gram = exact @ exact.T if exact.shape[0] <= exact.shape[1] else exact.T @ exact
    squares: Floats = np.linalg.eigvalsh(gram)[::-1].clip(min=0).astype(np.float64, copy=False)
    s = np.sqrt(squares)
    # |s' - s| = |s'^2 - s^2| / (s' + s), with an error of 8 eps s_1^2 in the square as the bound that was measured.
    off = 8 * eps * squares[0]
    error = np.minimum(np.sqrt(off), off / np.maximum(s, np.sqrt(off)))
    return SingularValues(_by(s, shift), _by(error, shift), "gram")


def why_none(s: Array) -> str:
    """Why singular values are not all finite; empty where they are."""
    if np.isnan(s).any():
        return "a weight is not finite"
    return "" if np.isfinite(s).all() else "a singular value is beyond the range of float64"


def _by(s: Floats, exponent: int) -> Floats:
    with np.errstate(over="ignore"):
        return np.ldexp(s, exponent)


def participation_ratio(s: Array) -> float:
    """(sum s)^2 / sum s^2 of singular values: 1 for rank one, n for n equal ones. NaN where all are 0.

    On singular values; others put covariance eigenvalues s^2 into the same formula and get a smaller number.
    """
    x = _scaled(s)
    return float(x.sum() ** 2 / (x @ x)) if x.size else float("nan")


def stable_rank(s: Array) -> float:
    """||W||_F^2 / s_1^2, from singular values; between 1 and the rank. NaN where all are 0."""
    x = _scaled(s)
    return float(x @ x) if x.size else float("nan")


def effective_rank(s: Array) -> float:
    """exp of the entropy of s / sum s (Roy and Vetterli 2007): n for n equal singular values. NaN where all are 0."""
    x = _scaled(s)
    if not x.size:
        return float("nan")
    share = x[x > 0] / x.sum()
    return float(np.exp(-(share @ np.log(share))))


def _scaled(s: Array) -> Floats:
    """s over its largest value; empty where no value is positive or one is not finite."""
    x = np.asarray(s, np.float64).ravel()
    top = x.max(initial=0.0)  # NaN where one is
    return x / top if 0 < top < np.inf else x[:0]
