"""A vector as the curve of its values in their order: what a bias or the scale of a norm looks like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from strobe.views.budget import MOST_BYTES, even_rows, evenly
from strobe.views.matrices import WeightMatrix, read_matrix
from strobe.views.reading import at_steps
from strobe.views.run_view import Answer, RunView, literal

MOST_POINTS: Final = 1_024
"""Values of a vector that are drawn: of more, evenly spaced ones of their order, both ends among them."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SortedValues:
    """`values` (n,) float64, descending, at `places` (n,) of the order, from 1: of the `finite` of `total` values."""

    places: Array
    values: Array
    finite: int
    total: int

    @property
    def words(self) -> str:
        """What is shown and what is not, as sentences."""
        shown, lost = len(self.values), self.total - self.finite
        some = f"{shown:,} of its {self.finite:,} finite values" if shown < self.finite else f"Its {shown:,} values"
        return f"{some}, from the greatest." + (f" {lost:,} of {self.total:,} are not finite." if lost else "")


def sorted_values(values: Array, most: int = MOST_POINTS) -> SortedValues:
    """The finite `values` (any shape) in descending order, at most `most` of them."""
    every = np.asarray(values, np.float64).ravel()
    finite = np.sort(every[np.isfinite(every)])[::-1]
    kept = np.asarray(even_rows(len(finite), most), np.int64)
    return SortedValues(kept + 1, finite[kept], len(finite), every.size)


def steps(view: RunView, vector: WeightMatrix, settled: int) -> list[int]:
    """The steps that a panel holds: what it may hold of them, and the settled one."""
    each = 4 * min(vector.shape[1], MOST_POINTS)
    return sorted({*evenly(view.steps, max(2, MOST_BYTES // each)), settled})


def read(view: RunView, vector: WeightMatrix, steps: Sequence[int]) -> Iterator[tuple[int, SortedValues | None]]:
    """(step, the values there) one after the other, None where a snapshot cannot be read."""
    return at_steps(view, steps, lambda snapshot: sorted_values(read_matrix(snapshot, vector)))


@dataclass(frozen=True)
class SortedFrames:
    """`values` and their `places` in the order, float32 (steps, points), NaN where a step has fewer. Where there is
    nothing, `steps` is empty and `reason` says why."""

    steps: list[int]
    places: Array
    values: Array
    words: str
    reason: str = ""


def frames(kept: Mapping[int, SortedValues | None], steps: Sequence[int]) -> SortedFrames:
    """The vector at those of `steps` that could be read and have a finite value."""
    drawn = {step: one for step in steps if (one := kept[step]) is not None and len(one.values)}
    if not drawn:
        reason = "No snapshot of this vector can be read, or no value of it is finite."
        return SortedFrames([], np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32), "", reason)
    longest = max(drawn.values(), key=lambda one: len(one.values))
    both = np.full((2, len(drawn), len(longest.values)), np.nan, np.float32)
    for k, one in enumerate(drawn.values()):
        both[0, k, : len(one.values)], both[1, k, : len(one.values)] = one.places, one.values
    lost = sum(one.finite < one.total for one in drawn.values())
    words = longest.words if not lost else f"{longest.words} At {lost:,} of the steps some are not finite."
    return SortedFrames(list(drawn), both[0], both[1], words)


def over_training(view: RunView, vector: WeightMatrix) -> Answer:
    """step, series (max, mean, min, std), value of a tensor's values, from the tables."""
    layer = "IS NULL" if vector.layer is None else f"= {vector.layer}"
    return view.tables.ask(f"""SELECT step, name AS series, value
FROM (SELECT step, max, mean, min, std FROM tensors
      WHERE run = {literal(view.run)} AND section = 'params' AND tensor = {literal(vector.tensor)} AND layer {layer})
UNPIVOT INCLUDE NULLS (value FOR name IN (max, mean, min, std))
ORDER BY series, step""")
