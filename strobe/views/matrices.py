"""Which matrices and vectors of a run can be looked at, what they are called, and how each is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from etl.errors import StrobeError
from etl.run.roles import Role, role_of
from etl.run.snapshot import Snapshot
from etl.run.snapshot_errors import SnapshotError
from strobe.analysis.unfolding import Unfolding, unfoldings
from strobe.views.matrix_names import MatrixName
from strobe.views.run_view import RunView

_COUNTED: Final = {
    "out": "outputs", "in": "inputs", "token": "tokens", "channel": "channels", "position": "positions",
    "index": "entries",
}  # fmt: skip
"""What the dimensions of a matrix count; a name that is not here speaks for itself."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class WeightMatrix(MatrixName):
    """One matrix of a run that can be looked at: a tensor of the section params, one layer or one expert of it, or a
    vector as one row."""

    name: str
    """Of the tensor in the snapshots, without its section."""
    layer: int | None
    shape: tuple[int, int]
    dims: tuple[str, str] = ("out", "in")
    """Names of the rows' and the columns' dimension, as the manifest has them; several in one: "in·height·width"."""
    role: Role | None = None
    group: str = ""
    """What the tables call it: the name that its layers share, where each layer is a tensor of its own."""
    part: tuple[str, int] | None = None
    """("expert", 3) where the tensor holds one matrix after another."""
    vector: bool = False

    @property
    def bytes(self) -> int:
        """As float32."""
        return 4 * self.shape[0] * self.shape[1]

    @property
    def folded(self) -> bool:
        """Whether its columns are several axes of the tensor."""
        return "·" in self.dims[1]

    @property
    def axis_words(self) -> tuple[str, str]:
        """What rows and columns are: ("outputs", "inputs")."""
        return _counted(self.dims[0]), _counted(self.dims[1])

    @property
    def shape_words(self) -> str:
        """How large it is and how it lies, as a sentence."""
        rows, columns = self.axis_words
        if self.vector:
            return f"A vector of {self.shape[1]:,}."
        kernel = " A kernel as the matrix that input patches are multiplied by." if self.role == "conv" else ""
        return f"{self.shape[0]:,} rows ({rows}) by {self.shape[1]:,} columns ({columns}).{kernel}"


def _counted(dim: str) -> str:
    return " × ".join(_COUNTED.get(each, each) for each in dim.split("·"))


def matrices(view: RunView) -> list[WeightMatrix]:
    """Every matrix and vector of the run, layer by layer; none where the snapshots are not on this machine."""
    return matrices_in(view.tensor_entries())


def matrices_in(entries: Iterable[Mapping[str, Any]]) -> list[WeightMatrix]:
    """The same among the manifest's entries of tensors."""
    return [matrix for entry in entries if entry["section"] == "params" for matrix in matrices_of(entry)]


def matrices_of(entry: Mapping[str, Any]) -> list[WeightMatrix]:
    """Those of one tensor, layer by layer and expert by expert."""
    dims, shape, role = entry["dims"], entry["shape"], role_of(entry)
    if dims[0] == "layer" and len(shape) > 1:
        each = unfoldings(dims[1:], shape[1:], role)
        return [_matrix(entry, role, one, layer) for layer in range(shape[0]) for one in each]
    return [_matrix(entry, role, one, entry.get("layer")) for one in unfoldings(dims, shape, role)]


def _matrix(entry: Mapping[str, Any], role: Role | None, one: Unfolding, layer: int | None) -> WeightMatrix:
    name = str(entry["name"]).partition("/")[2]
    stacked = entry["dims"][0] == "layer"
    group = "" if stacked or layer is None else str(entry.get("group", name))
    return WeightMatrix(name, layer, one.shape, one.dims, role, group, one.part, one.vector)


def first_with_role(among: Sequence[WeightMatrix], *roles: Role) -> WeightMatrix | None:
    """The first matrix of the first of these roles that any of them has."""
    plain = [matrix for matrix in among if not matrix.vector]
    return next((matrix for role in roles for matrix in plain if matrix.role == role), None)


def default_matrix(among: Sequence[WeightMatrix]) -> WeightMatrix | None:
    """The matrix that is shown where none was chosen: the first layer's into the MLP, else the first of all, a vector
    only where there is nothing else."""
    first = next((matrix for matrix in among if not matrix.vector), next(iter(among), None))
    return first_with_role(among, "mlp_in") or first


def in_every_layer(among: Sequence[WeightMatrix], matrix: WeightMatrix) -> list[WeightMatrix]:
    """The same matrix in every layer that has it in this shape."""
    same = (matrix.tensor, matrix.part, matrix.shape)
    return [other for other in among if (other.tensor, other.part, other.shape) == same]


def read_matrix(snapshot: Snapshot, matrix: WeightMatrix, section: str = "params") -> Array:
    """The matrix (rows, columns) as floats, exactly as recorded; of a stacked tensor the one layer, and of experts
    the one, alone is read. Raises SnapshotError where the snapshot has no such tensor, or one of another shape."""
    at = [matrix.layer] if matrix.layer is not None and not matrix.group else []
    at += [matrix.part[1]] if matrix.part else []
    first, second = ([*at, None, None])[:2]
    values = snapshot.values(f"{section}/{matrix.name}", first, None if second is None else [second])
    if values.size != matrix.shape[0] * matrix.shape[1]:
        raise SnapshotError(f"{snapshot.path}: {section}/{matrix.name:.80} is not {list(matrix.shape)} here")
    return values.reshape(matrix.shape)


def matrix_at(view: RunView, matrix: WeightMatrix, step: int) -> Array:
    """`read_matrix` of the snapshot at a step. Raises StrobeError where there is none, or none on this machine."""
    snapshots = view.snapshots()
    if snapshots is None:
        raise StrobeError("the snapshots of this run are not on this machine")
    return read_matrix(snapshots.at(step), matrix)
