"""The weight matrices of a run, and one of them at a step: as recorded, and as the picture that is drawn of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from etl.errors import StrobeError
from etl.run.roles import Role, role_of
from etl.run.snapshot import Snapshot
from strobe.views.binning import MOST_CELLS, bin_size, binned
from strobe.views.budget import MOST_BYTES, MOST_MOVED, evenly
from strobe.views.narrow import narrow
from strobe.views.reading import at_steps
from strobe.views.run_view import RunView

MOST_READ: Final = 500_000_000
"""Bytes of weights that one panel reads: of larger runs, evenly spaced snapshots and the one under the cursor."""
REACH: Final = 0.999
"""Colours end at this quantile of the cells' sizes."""
_COUNTED: Final = {
    "out": "outputs", "in": "inputs", "token": "tokens", "channel": "channels", "position": "positions",
}  # fmt: skip
"""What the dimensions of a matrix count; a name that is not here speaks for itself."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class WeightMatrix:
    """One matrix of a run that can be looked at: a tensor of the section params, or one layer of it."""

    name: str
    """Of the tensor, without its section."""
    layer: int | None
    shape: tuple[int, int]
    dims: tuple[str, str] = ("out", "in")
    """Names of the rows' and the columns' dimension, as the manifest has them."""
    role: Role | None = None

    @property
    def label(self) -> str:
        return self.name if self.layer is None else f"{self.name}.{self.layer}"

    @property
    def bytes(self) -> int:
        """As float32."""
        return 4 * self.shape[0] * self.shape[1]

    @property
    def axis_words(self) -> tuple[str, str]:
        """What rows and columns are: ("outputs", "inputs")."""
        return _COUNTED.get(self.dims[0], self.dims[0]), _COUNTED.get(self.dims[1], self.dims[1])


def matrices(view: RunView) -> list[WeightMatrix]:
    """Every weight matrix of the run, layer by layer; none where the snapshots are not on this machine."""
    return matrices_in(view.tensor_entries())


def matrices_in(entries: Iterable[Mapping[str, Any]]) -> list[WeightMatrix]:
    """The weight matrices among the manifest's entries of tensors, layer by layer."""
    return [matrix for entry in entries if entry["section"] == "params" for matrix in _layers(entry)]


def _layers(entry: Mapping[str, Any]) -> list[WeightMatrix]:
    shape, layered = entry["shape"], entry["dims"][0] == "layer"
    if len(shape) - layered != 2:
        return []
    layers = range(shape[0]) if layered else [None]
    return [matrix_of(entry, layer) for layer in layers]


def matrix_of(entry: Mapping[str, Any], layer: int | None) -> WeightMatrix:
    """The last two axes of a tensor as a matrix, of one `layer` of its first axis or None."""
    rows, columns = entry["shape"][-2:]
    dims = (str(entry["dims"][-2]), str(entry["dims"][-1]))
    return WeightMatrix(str(entry["name"]).partition("/")[2], layer, (rows, columns), dims, role_of(entry))


def first_with_role(among: Sequence[WeightMatrix], *roles: Role) -> WeightMatrix | None:
    """The first matrix of the first of these roles that any of them has."""
    return next((matrix for role in roles for matrix in among if matrix.role == role), None)


def default_matrix(among: Sequence[WeightMatrix]) -> WeightMatrix | None:
    """The matrix that is shown where none was chosen: the first layer's into the MLP, else the first of all."""
    return first_with_role(among, "mlp_in") or next(iter(among), None)


def in_every_layer(among: Sequence[WeightMatrix], matrix: WeightMatrix) -> list[WeightMatrix]:
    """The same matrix in every layer."""
    return [other for other in among if other.name == matrix.name]


def read_matrix(snapshot: Snapshot, matrix: WeightMatrix) -> Array:
    """The matrix (rows, columns) as floats, exactly as recorded; of a stacked tensor the one layer alone is read.
    Raises SnapshotError where the snapshot has no such tensor."""
    return snapshot.values(f"params/{matrix.name}", matrix.layer)


def matrix_at(view: RunView, matrix: WeightMatrix, step: int) -> Array:
    """`read_matrix` of the snapshot at a step. Raises StrobeError where there is none, or none on this machine."""
    snapshots = view.snapshots()
    if snapshots is None:
        raise StrobeError("the snapshots of this run are not on this machine")
    return read_matrix(snapshots.at(step), matrix)


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
    matrix: WeightMatrix, read: Mapping[int, PackedPicture | None], steps: Sequence[int]
) -> MatrixFrames:
    """The matrix at those of `steps` that could be `read`, on one scale: the largest reach of them all."""
    drawn = {step: kept for step in steps if (kept := read[step]) is not None}
    if not drawn:
        return _nothing("No snapshot of this matrix can be read.")
    reach = max(kept.reach for kept in drawn.values())
    if reach == 0:
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
