"""The compiled loops of the exact nearest neighbours. Importing this module imports numba, and compiles once a
machine and user."""

# numba takes plain functions, whose types it infers itself:
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment"

from __future__ import annotations

import numpy as np

from etl.ingest.kernels import _njit, compiled

_STRETCH = 64
"""Pairs that are looked at together before any is taken in."""

_inline = _njit(nogil=True, error_model="numpy")
_summed = _njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


@_inline
def _take_in(bounds, places, limits, row, bound, place):
    """Puts a candidate in the place of the row's worst one, and finds the worst one again."""
    for c in range(bounds.shape[1]):
        if bounds[row, c] == limits[row]:
            bounds[row, c] = bound
            places[row, c] = place
            break
    limits[row] = bounds[row].max()


@_summed
def _any_nearer(products, norms, limits, first, start, stop, slack, own, limit):
    """How many pairs of one point with those at `start` to `stop` would be taken in, as vectors can count them."""
    count = 0
    for b in range(start, stop):
        bound = (own + norms[first + b]) * slack - np.float32(2.0) * products[b]
        count += np.int32(bound < max(limit, limits[first + b]))
    return count


def _offer(products, norms, first, second, slack, bounds, places, limits):
    """Offers each pair of a block to both of its points. `products` (I, J) are inner products of the points from
    `first` on with those from `second` on; of a pair counts the least that its squared distance can be, rounding
    allowed for: (|a|^2 + |b|^2) slack - 2 a.b. `limits` are the worst of each row's `bounds`."""
    same = first == second
    for a in range(products.shape[0]):
        i = first + a
        own = norms[i]
        begin = a + 1 if same else 0
        for start in range(begin, products.shape[1], _STRETCH):
            stop = min(start + _STRETCH, products.shape[1])
            if not _any_nearer(products[a], norms, limits, second, start, stop, slack, own, limits[i]):
                continue
            for b in range(start, stop):
                j = second + b
                bound = (own + norms[j]) * slack - np.float32(2.0) * products[a, b]
                if bound < limits[i]:
                    _take_in(bounds, places, limits, i, bound, j)
                if bound < limits[j]:
                    _take_in(bounds, places, limits, j, bound, i)


@_summed
def _distance(points, i, j):
    total = 0.0
    for c in range(points.shape[1]):
        gap = np.float64(points[i, c]) - np.float64(points[j, c])
        total += gap * gap
    return total


@_inline
def _nearest(distances, places, count, nearest, row):
    """The `count` least, in the order of (distance, place)."""
    for k in range(count):
        best = -1
        for c in range(distances.size):
            if places[c] < 0:
                continue
            if best < 0 or distances[c] < distances[best] or (
                distances[c] == distances[best] and places[c] < places[best]
            ):  # fmt: skip
                best = c
        nearest[row, k] = places[best]
        places[best] = -1
        if k == count - 1:
            return distances[best]
    return 0.0


def _settle(points, places, limits, nearest):
    """The neighbours among each row's candidates by exact distance; a row of which another point may be nearer than
    the last of them is searched whole."""
    n, count = nearest.shape
    distances = np.empty(places.shape[1])
    every, others = np.empty(n), np.empty(n, np.int64)
    for i in range(n):
        for c in range(distances.size):
            distances[c] = _distance(points, i, places[i, c])
        last = _nearest(distances, places[i], count, nearest, i)
        # At equality a point left out may be as near and stand before.
        if distances.size < n - 1 and not last < limits[i]:
            for j in range(n):
                every[j], others[j] = _distance(points, i, j), j
            others[i] = -1
            _nearest(every, others, count, nearest, i)


@_summed
def _spread(points, members):
    """The sum over dimensions of the variance of some points."""
    total = 0.0
    mean = np.zeros(points.shape[1])
    for m in members:
        for c in range(points.shape[1]):
            mean[c] += points[m, c]
    mean /= members.size
    for m in members:
        for c in range(points.shape[1]):
            gap = points[m, c] - mean[c]
            total += gap * gap
    return total / members.size


def _spreads(points, nearest, sums):
    """Into `sums` (n,): of each row's `nearest` (n, k), their variance in `points` (n, d), summed over dimensions."""
    for i in range(sums.size):
        sums[i] = _spread(points, nearest[i])


offer = compiled(
    _offer,
    ["void(float32[:,::1], float32[::1], int64, int64, float32, float32[:,::1], int64[:,::1], float32[::1])"],
)
settle = compiled(_settle, ["void(float32[:,::1], int64[:,::1], float32[::1], int64[:,::1])"])
spreads = compiled(_spreads, ["void(float32[:,::1], int64[:,::1], float64[::1])"])
