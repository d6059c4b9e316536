"""One weight matrix of a run at its steps, as the picture that is drawn of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from strobe.views.binning import MOST_CELLS, bin_size, binned
from strobe.views.budget import MOST_BYTES, MOST_MOVED, evenly
from strobe.views.matrices import WeightMatrix, read_matrix
from strobe.views.narrow import narrow
from strobe.views.reading import at_steps
from strobe.views.run_view import RunView

MOST_READ: Final = 500_000_000
"""Bytes of weights that one panel reads: of larger runs, evenly spaced snapshots and the one under the cursor."""
REACH: Final = 0.999
"""Colours end at this quantile of the cells' sizes."""
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class MatrixPicture:
    """One matrix at one step as it is drawn."""

    cells: Array
    """float64 (rows, columns): means of bins of `bins` weights."""
    bins: tuple[int, int]
    reach: float
    """Where colours end: the 99.9th percentile of the cells' sizes, the largest of them where that is 0; 0 where the
    picture is `empty`."""
    nonfinite: int
    """Weights, not cells, that are not finite."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see: every weight is 0 or not finite."""
        return not self.reach


def picture(weights: Array) -> MatrixPicture:
    """What is drawn of a matrix (rows, columns)."""
    cells, bins = binned(weights)
    nonfinite = weights.size - int(np.count_nonzero(np.isfinite(weights)))
    sizes = np.abs(cells[np.isfinite(cells)])
    reach = float(np.quantile(sizes, REACH)) if sizes.size else 0.0
    return MatrixPicture(cells, bins, reach or float(sizes.max(initial=0.0)), nonfinite)


@dataclass(frozen=True)
class PackedPicture:
    """A MatrixPicture in a quarter of the room: `shares` (rows, columns) of the largest cell, `peak`, as float16, or
    wider where most cells are too small beside it."""

    shares: Array
    peak: float
    reach: float
    nonfinite: int


def packed(drawn: MatrixPicture) -> PackedPicture:
    """What is kept of a picture, so that all steps fit into memory."""
    peak = float(np.abs(drawn.cells[np.isfinite(drawn.cells)]).max(initial=0.0))
    # Cells are drawn in 127 shades up to the reach: what is smaller than one need not be told apart.
    shares = narrow(drawn.cells / (peak or 1.0), drawn.reach / (peak or 1.0) / 127, half=True)
    return PackedPicture(shares, peak, drawn.reach, drawn.nonfinite)


def pictures(view: RunView, matrix: WeightMatrix, steps: Sequence[int]) -> Iterator[tuple[int, PackedPicture | None]]:
    """(step, the matrix there) one after the other, None where a snapshot cannot be read."""
    return at_steps(view, steps, lambda snapshot: packed(picture(read_matrix(snapshot, matrix))))


@dataclass(frozen=True)
class MatrixFrames:
    """`values` uint8 (steps, rows, columns), 128 = 0, 1 and 255 = -/+ `reach` or beyond, 0 = not finite, each cell
    the mean of a bin. Where there is nothing to show, `steps` is empty and `reason` says why."""

    steps: list[int]
    values: Array
    reach: float
    bins: tuple[int, int]
    nonfinite: dict[int, int]
    """By step: weights, not cells, that are not finite, where there are any."""
    reason: str = ""

    @property
    def nonfinite_words(self) -> str:
        """At which steps weights are not finite, as a sentence; empty where none is."""
        if not self.nonfinite:
            return ""
        first, worst = min(self.nonfinite), max(self.nonfinite, key=lambda step: self.nonfinite[step])
        also = f", most at step {worst:,} ({self.nonfinite[worst]:,})" if worst != first else ""
        return (
            f"Weights are not finite at {len(self.nonfinite):,} of the {len(self.steps):,} steps: first at step "
            f"{first:,} ({self.nonfinite[first]:,}){also}."
        )


def on_one_scale(
    matrix: WeightMatrix, read: Mapping[int, PackedPicture | None], steps: Sequence[int], least: float = 0.0
) -> MatrixFrames:
    """The matrix at those of `steps` that could be `read`, on one scale: the largest reach of them all, and not under
    `least`, that of what is drawn beside it."""
    drawn = {step: kept for step in steps if (kept := read[step]) is not None}
    if not drawn:
        return _nothing("No snapshot of this matrix can be read.")
    own = max(kept.reach for kept in drawn.values())
    reach = max(own, least)
    if own == 0:
        return _nothing("Every weight of this matrix is 0 or not finite, at every snapshot that was read.")
    values = np.stack([_shades(kept, reach) for kept in drawn.values()])
    nonfinite = {step: kept.nonfinite for step, kept in drawn.items() if kept.nonfinite}
    return MatrixFrames(list(drawn), values, reach, bin_size(matrix.shape), nonfinite)


def _nothing(reason: str) -> MatrixFrames:
    return MatrixFrames([], np.zeros(0, np.uint8), 0.0, (1, 1), {}, reason)


def _shades(kept: PackedPicture, reach: float) -> Array:
    share = np.clip(kept.shares.astype(np.float64) * (kept.peak / reach), -1, 1)
    finite = np.isfinite(kept.shares)
    return np.where(finite, np.round(128 + 127 * np.where(finite, share, 0)), 0).astype(np.uint8)


def affordable(view: RunView, matrix: WeightMatrix, bytes_each: int | None = None) -> list[int]:
    """All steps, or evenly spaced ones with both ends: what can be read, and what a panel may hold, or where a step
    is added whenever the cursor rests, what may travel while somebody waits. `bytes_each` is what one snapshot counts
    for, the matrix in float32 unless said."""
    cells = min(matrix.shape[0], MOST_CELLS) * min(matrix.shape[1], MOST_CELLS)
    read = max(2, MOST_READ // (bytes_each or matrix.bytes))
    if len(view.steps) <= min(read, MOST_BYTES // cells):
        return list(view.steps)
    return evenly(view.steps, max(2, min(read, MOST_MOVED // cells)))


def wanted(view: RunView, matrix: WeightMatrix, settled: int) -> list[int]:
    """The steps that the panels of a matrix hold: `affordable` ones, and the `settled` one."""
    return sorted({*affordable(view, matrix), settled})
