"""What there are movies of: attention, an embedding, a weight matrix. Each reads a step and has its picture drawn, on
a scale that was measured once over all steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.roles import Role, first_with
from strobe.analysis.geometry import frequency_round
from strobe.analysis.projection import principal_axes, project
from strobe.charts import movie_frames
from strobe.charts.movie_frames import Words
from strobe.views import attention
from strobe.views.binning import bin_size, bin_words
from strobe.views.embedding import Embedding, embedding
from strobe.views.matrices import WeightMatrix, default_matrix, matrices_in, read_matrix
from strobe.views.matrix_names import asked
from strobe.views.run_view import RunView
from strobe.views.weights import picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from etl.run.snapshot import Snapshot

Array = np.ndarray[Any, Any]


class Subject(Protocol):
    """What one movie shows: `frame` is the picture of a step below `words`, `size` pixels wide."""

    @property
    def tensor(self) -> str:
        """With its section: "params/wte"."""

    @property
    def name(self) -> str:
        """For people: "fcw, layer 0"."""

    @property
    def about(self) -> str:
        """What each frame shows, in a line."""

    @property
    def reach(self) -> float:
        """The scale, or the axes, go from -reach to reach."""

    def frame(self, step: int, words: Words, size: int) -> Image: ...


@dataclass(frozen=True)
class Snapshots:
    """The snapshots of a run that a movie goes through: `steps`, in their order."""

    view: RunView
    run: Run
    paths: Mapping[int, Path]
    steps: Sequence[int]

    def at(self, step: int) -> Snapshot:
        """Raises SnapshotError where it is damaged."""
        return self.run.sound(self.paths[step])

    def entry(self, tensor: str, subject: str, axes: tuple[int, ...]) -> Mapping[str, Any]:
        """The manifest's entry of a tensor. Raises StrobeError where there is none, or it has not as many axes as the
        subject takes."""
        tensors: list[Mapping[str, Any]] = self.run.manifest.raw["snapshot"]["tensors"]
        entries = {str(each["name"]): each for each in tensors}
        if tensor not in entries:
            names = ", ".join(sorted(name.partition("/")[2] for name in entries if name.startswith("params/"))[:12])
            raise StrobeError(f"the snapshots have no {tensor}; there are {names or 'no parameters'}")
        shape = entries[tensor]["shape"]
        if len(shape) not in axes:
            raise StrobeError(f"{tensor} has shape {shape}: it cannot be drawn as {subject}")
        return entries[tensor]

    def parameter(self, asked: str | None, role: Role, default: str) -> str:
        """The params tensor that was asked for, else the first of a role."""
        return f"params/{asked}" if asked else first_with(self.run.manifest.raw, role) or f"params/{default}"


@dataclass(frozen=True)
class _Attention:
    snapshots: Snapshots
    shape: Sequence[int]
    tensor: str = attention.TENSOR
    name: str = "att"
    reach: float = 1.0

    @property
    def about(self) -> str:
        return f"{self.name}: mean over {self.shape[1]:,} probe sequences, queries down, keys across"

    def frame(self, step: int, words: Words, size: int) -> Image:
        weights = attention.read(self.snapshots.run, self.snapshots.at(step))
        root = attention.rooted(self.shape[-1])
        return movie_frames.attention_frame(weights.seen, words, size, weights.labels, root=root)


def _attention(snapshots: Snapshots, tensor: str | None, layer: int) -> _Attention:
    del tensor, layer
    return _Attention(snapshots, snapshots.entry(attention.TENSOR, "attention", (5,))["shape"])


@dataclass(frozen=True)
class _Embedding:
    shown: Embedding
    last: int
    """The step on whose principal axes all are shown."""
    axes: Array
    reach: float
    turn: int

    @property
    def tensor(self) -> str:
        return f"params/{self.shown.name}"

    @property
    def name(self) -> str:
        return self.shown.name

    @property
    def about(self) -> str:
        many, total = len(self.shown.rows.numbers), self.shown.rows.total
        cut = f", the first {many:,} of {total:,}" if many < total else ""
        return f"{self.name} on the principal axes of step {self.last:,}{cut}"

    def frame(self, step: int, words: Words, size: int) -> Image:
        rows = self.shown.rows
        labels = rows.labels if self.shown.role == "token_embedding" else [str(row) for row in rows.numbers]
        points = project(self.shown.at(step), self.axes)
        return movie_frames.embedding_frame(points, self.reach, labels, words, size, self.turn)


def _embedding(snapshots: Snapshots, tensor: str | None, layer: int) -> _Embedding:
    del layer
    name = snapshots.parameter(tensor, "token_embedding", "wte")
    snapshots.entry(name, "embedding", (2,))
    shown, last = embedding(snapshots.view, name.partition("/")[2], "first"), snapshots.steps[-1]
    try:
        axes = principal_axes(shown.at(last))
    except ValueError as error:
        raise StrobeError(f"{name} at step {last:,} has no axes: {error}") from None
    p = shown.rows.modulus if shown.role == "token_embedding" else None
    turn = frequency_round(project(shown.at(last), axes), p) if p is not None else 1
    farthest = [np.nanmax(np.abs(project(shown.at(step), axes)), initial=0) for step in snapshots.steps]
    return _Embedding(shown, last, axes, float(np.nanmax(farthest)) * 1.05 or 1.0, turn)


@dataclass(frozen=True)
class _Weights:
    snapshots: Snapshots
    matrix: WeightMatrix
    reach: float

    @property
    def tensor(self) -> str:
        return f"params/{self.matrix.name}"

    @property
    def name(self) -> str:
        layer = f", layer {self.matrix.layer}" if self.matrix.layer is not None else ""
        return (
            self.matrix.tensor
            + layer
            + (f", {self.matrix.part[0]} {self.matrix.part[1]}" if self.matrix.part else "")
        )

    @property
    def about(self) -> str:
        rows, columns = self.matrix.shape
        return f"{self.matrix.label}, {rows:,} × {columns:,}. {bin_words(bin_size(self.matrix.shape))}".strip()

    def frame(self, step: int, words: Words, size: int) -> Image:
        cells = picture(read_matrix(self.snapshots.at(step), self.matrix)).cells
        return movie_frames.matrix_frame(cells, self.reach, words, size, self.matrix.shape)


def _weights(snapshots: Snapshots, tensor: str | None, layer: int) -> _Weights:
    among = [matrix for matrix in matrices_in(snapshots.run.manifest.raw["snapshot"]["tensors"]) if not matrix.vector]
    first = default_matrix(among)
    matrix = asked(among, tensor or (first.tensor if first is not None else "fcw"), layer)
    reach = max(picture(read_matrix(snapshots.at(step), matrix)).reach for step in snapshots.steps)
    return _Weights(snapshots, matrix, reach or 1.0)


SUBJECTS: Final[Mapping[str, Callable[[Snapshots, str | None, int], Subject]]] = {
    "attention": _attention, "embedding": _embedding, "weights": _weights,
}  # fmt: skip
