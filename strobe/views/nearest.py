"""Which rows of an embedding lie nearest to one of them, and how near they were at another step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from strobe.views.embedding import Embedding

MOST: Final = 10
"""Neighbours that are named."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Neighbour:
    """One row: its place from 1 on and its cosine with the row that is looked at, at a step and at the other; None
    where a row is zero or not finite there, and has no direction."""

    label: str
    place: int | None
    cosine: float | None
    other_place: int | None
    other_cosine: float | None


@dataclass(frozen=True)
class Neighbours:
    """Those that are nearest at `step`, the nearest first, and in `left` those that were nearest at the step `other`
    and are not any more."""

    step: int
    other: int
    nearest: Sequence[Neighbour]
    left: Sequence[Neighbour]


def neighbours(shown: Embedding, row: int, step: int, other: int) -> Neighbours:
    """Of the `row`-th shown row, among all that are shown. Raises StrobeError, OSError or KeyError where a snapshot
    is damaged or gone."""
    now, then = (_cosines(shown.at(at), row) for at in (step, other))
    places, others = _places(now), _places(then)
    labels = shown.rows.labels

    def named(k: int) -> Neighbour:
        return Neighbour(labels[k], places.get(k), _number(now[k]), others.get(k), _number(then[k]))

    first = list(places)[:MOST]
    gone = [k for k in list(others)[:MOST] if k not in first]
    return Neighbours(step, other, list(map(named, first)), list(map(named, gone)))


def _cosines(values: Array, row: int) -> Array:
    """float64 (rows,): of each row with the one; NaN for itself, and where either has no direction."""
    rows = values.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = rows @ rows[row] / (lengths * lengths[row])
    found[row] = np.nan
    return np.asarray(found)


def _places(cosines: Array) -> dict[int, int]:
    """Row -> its place, in the order of places."""
    order = [int(k) for k in np.argsort(-cosines, kind="stable") if np.isfinite(cosines[k])]
    return {k: place for place, k in enumerate(order, 1)}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
