"""An embedding of a run: which of its rows are shown and what they are called, and what was recorded of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.roles import Role, role_of
from etl.run.snapshot import Snapshot
from strobe.analysis.placing import is_transposed
from strobe.views.budget import MOST_BYTES, MOST_ROWS, even_rows, evenly
from strobe.views.missing import why_missing
from strobe.views.reading import at_steps
from strobe.views.run_view import RunView
from strobe.views.tokens import colour_places, token_name

MOST_READ: Final = 500_000_000
"""Bytes of an embedding that one view reads: beyond, evenly spaced snapshots."""
WORDS: Final[dict[Role, str]] = {
    "token_embedding": "Tokens", "position_embedding": "Positions", "unembedding": "Unembedding",
}  # fmt: skip
"""The roles of what is an embedding, in the order in which they are offered."""
_PLACES: Final[dict[Role | None, str]] = {
    "token_embedding": "wte", "position_embedding": "wpe", "unembedding": "unembed",
}  # fmt: skip
_OF_TOKENS: Final = ("token_embedding", "unembedding")

Array = np.ndarray[Any, Any]
Sample = Literal["first", "even"]
"""Which rows are shown of more than MOST_ROWS: the first, or evenly spaced ones."""


@dataclass(frozen=True)
class Rows:
    """The rows of an embedding that are shown, and what they are called (as data: escaped where it is shown)."""

    numbers: Sequence[int] = ()
    total: int = 0
    labels: Sequence[str] = ()
    modulus: int | None = None
    """p where the rows are tokens of an addition modulo p."""
    sample: Sample = "first"

    @property
    def left_out(self) -> str:
        """What is shown of more rows, as a sentence; empty where all are."""
        shown = len(self.numbers)
        if shown == self.total:
            return ""
        return (
            f"The first {shown:,} tokens."
            if self.sample == "first"
            else f"{shown:,} of {self.total:,} rows, evenly spaced."
        )

    @property
    def has_residues(self) -> bool:
        """Whether every residue has its row, in order: what a circle of them needs."""
        return self.modulus is not None and list(self.numbers[: self.modulus]) == list(range(self.modulus))

    def places(self, turn: int) -> list[float]:
        """Each row's place on the map of colours, as `colour_places` has it."""
        return colour_places(self.numbers, self.total, self.modulus, turn)


@dataclass(frozen=True)
class Embedding:
    """A params matrix of a run, a row a token or position; `name` is without the section."""

    name: str
    role: Role | None
    rows: Rows
    width: int
    run: Run = field(repr=False)
    turned: bool = False
    """Whether it was recorded with its channels first."""
    boxed: bool = False
    """Whether an axis of length 1 stands before its two."""

    @property
    def title(self) -> str:
        """For people: "Tokens (wte)"."""
        word = WORDS.get(self.role) if self.role is not None else None
        if word is None or self.name == "unembed":
            return word or self.name
        return f"{word} ({self.name})"

    @cached_property
    def _paths(self) -> Mapping[int, Path]:
        return self.run.current()

    def at(self, step: int) -> Array:
        """(rows, width): the shown rows at a step, as `of` has them. Raises StrobeError, OSError or KeyError where
        its snapshot is damaged or gone."""
        return self.of(self.run.sound(self._paths[step]))

    def of(self, snapshot: Snapshot) -> Array:
        """(rows, width): the shown rows of a snapshot, floats as they were recorded. Raises SnapshotError."""
        name, rows = f"params/{self.name}", list(self.rows.numbers)
        if self.turned:
            return np.asarray(snapshot.values(name, 0 if self.boxed else None).T[rows])
        return snapshot.values(name, 0, rows) if self.boxed else snapshot.values(name, rows)

    def affordable(self, steps: Sequence[int], bytes_a_row: int, most: int | None = None) -> list[int]:
        """The steps that are read, where a frame holds so many bytes for each row: all, or evenly spaced ones, never
        more than `most` of them."""
        shown = max(1, len(self.rows.numbers))
        room = max(2, min(MOST_BYTES // (bytes_a_row * shown), MOST_READ // (4 * shown * self.width)))
        return evenly(steps, room if most is None else min(room, most))


@dataclass(frozen=True)
class EmbeddingFrames:
    """`values` float32 (steps, rows, width) at the steps that could be read, all of it finite."""

    rows: Rows
    steps: list[int]
    values: Array


def embeddings(view: RunView, sample: Sample = "even") -> list[Embedding]:
    """The embeddings that a run recorded, by their roles; none where its snapshots are not on this machine."""
    run = view.snapshots() if view.steps else None
    if run is None:
        return []
    tensors = run.manifest.raw["snapshot"]["tensors"]
    roles = {number: role for number, tensor in enumerate(tensors) if (role := _role(tensor)) is not None}
    # Axes are a guess: they count where nothing says what it is.
    roles = roles or {number: role for number, tensor in enumerate(tensors) if (role := _by_axes(tensor)) is not None}
    return [
        _embedding(view, run, tensors[number], sample, role)
        for word in WORDS
        for number, role in roles.items()
        if role == word
    ]


def _role(tensor: Mapping[str, Any]) -> Role | None:
    """The role of a tensor of the manifest where it is one of an embedding, and has the axes of one."""
    role = role_of(tensor)
    return role if role in WORDS and _is_matrix(tensor) else None


def _by_axes(tensor: Mapping[str, Any]) -> Role | None:
    """The same told by the names of its axes: tokens or positions by channels."""
    if tensor["section"] != "params" or role_of(tensor) not in (None, "other") or not _is_matrix(tensor):
        return None
    rows: dict[str, Role] = {"token": "token_embedding", "position": "position_embedding"}
    axes = [str(axis) for axis in tensor["dims"][-2:]]
    return next((rows[axis] for axis in axes if axis in rows and "channel" in axes), None)


def _is_matrix(tensor: Mapping[str, Any]) -> bool:
    shape = tensor["shape"]
    return len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)


def why_none(view: RunView, what: str = "embedding") -> str:
    """Why a run has no such embedding, as a sentence."""
    return why_missing(view, what, "params", needs="one has the role token_embedding, or the axes token and channel")


def token_embedding(view: RunView, sample: Sample = "first") -> Embedding | None:
    """The first embedding of tokens; None where the run recorded none, or its snapshots are not on this machine."""
    return next((each for each in embeddings(view, sample) if each.role == "token_embedding"), None)


def embedding(view: RunView, name: str, sample: Sample = "even") -> Embedding:
    """Any params matrix by its name (without the section), as an embedding. Raises StrobeError where there is none of
    two axes."""
    run = view.snapshots()
    tensors = run.manifest.raw["snapshot"]["tensors"] if run is not None else []
    tensor = next((each for each in tensors if each["name"] == f"params/{name}" and _is_matrix(each)), None)
    if run is None or tensor is None:
        raise StrobeError(f"its snapshots have no embedding params/{name}")
    return _embedding(view, run, tensor, sample, role_of(tensor))


def _embedding(view: RunView, run: Run, tensor: Mapping[str, Any], sample: Sample, role: Role | None) -> Embedding:
    shape = tensor["shape"][-2:]
    turned = _is_turned(role, tensor)
    total, width = shape[::-1] if turned else shape
    numbers = even_rows(total) if sample == "even" else list(range(min(total, MOST_ROWS)))
    task, tokens = run.manifest.task, role in _OF_TOKENS
    labels = [token_name(task, row) if tokens else str(row) for row in numbers]
    rows = Rows(numbers, total, labels, view.modulus() if tokens else None, sample)
    return Embedding(str(tensor["name"]).partition("/")[2], role, rows, width, run, turned, len(tensor["shape"]) > 2)


def _is_turned(role: Role | None, tensor: Mapping[str, Any]) -> bool:
    """Whether its axes say that channels stand first; what they do not say is shown as it was recorded."""
    place = _PLACES.get(role)
    try:
        return place is not None and is_transposed(place, tensor["dims"][-2:], tensor["shape"][-2:])
    except ValueError:
        return False


def frames(view: RunView, shown: Embedding, steps: Sequence[int]) -> EmbeddingFrames:
    """An embedding at each of the steps that can be read and where it is finite: float32, to be held together."""
    read = at_steps(view, steps, lambda snapshot: np.asarray(shown.of(snapshot), np.float32))
    finite = {step: values for step, values in read if values is not None and np.isfinite(values).all()}
    if not finite:
        return EmbeddingFrames(shown.rows, [], np.zeros((0, len(shown.rows.numbers), shown.width), np.float32))
    return EmbeddingFrames(shown.rows, list(finite), np.stack(list(finite.values())))
