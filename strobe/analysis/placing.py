"""Recorded weights in the places, the orientation and the order in which the forward pass takes them.

What the manifest says of a tensor (its axes' names and its shape) decides; what it does not tell is refused by name,
never guessed: a transposed square matrix has no shape of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from strobe.analysis.architecture import Architecture

Array = npt.NDArray[Any]
Shape = tuple[int | None, int | None]
"""Of a matrix; None where any size will do."""

_PROJECTION: Final = ({"out"}, {"in"})
_AXES: Final[Mapping[str, tuple[set[str], set[str]]]] = {
    # An embedding maps a token to channels, and an unembedding channels to a token.
    "wte": ({"token", "in"}, {"channel", "out"}),
    "wpe": ({"position", "in"}, {"channel", "out"}),
    "unembed": ({"token", "out"}, {"channel", "in"}),
    **dict.fromkeys(("qkvw", "attprojw", "fcw", "fcprojw"), _PROJECTION),
}
"""llm.c's name -> what its rows and its columns may be called."""
_PER_LAYER: Final = frozenset(
    ("ln1w", "ln1b", "qkvw", "qkvb", "attprojw", "attprojb", "ln2w", "ln2b", "fcw", "fcb", "fcprojw", "fcprojb")
)


class Sizes(NamedTuple):
    """What the shapes of a model's parameters are made of."""

    layers: int
    width: int
    mlp: int
    heads: int
    kv_heads: int
    head_size: int

    @classmethod
    def of(cls, model: Mapping[str, Any], architecture: Architecture) -> Sizes:
        """From the `model` of a manifest. Raises ValueError where the heads do not make up the width and no size of a
        head is given."""
        width, heads = int(model["n_embd"]), architecture.n_head
        if architecture.head_size is None and width % heads:
            raise ValueError(f"n_embd {width} is no multiple of n_head {heads}, and there is no head_size")
        size = architecture.head_size or width // heads
        return cls(architecture.n_layer, width, int(model["mlp_width"]), heads, architecture.kv_heads, size)

    def matrix(self, place: str) -> Shape:
        """(rows, columns) of a weight by llm.c's name, of one layer."""
        q, kv, C, F = self.heads * self.head_size, self.kv_heads * self.head_size, self.width, self.mlp
        shapes: dict[str, Shape] = {"qkvw": (q + 2 * kv, C), "attprojw": (C, q), "fcw": (F, C), "fcprojw": (C, F)}
        return shapes.get(place, (None, C))

    def vector(self, place: str) -> int | None:
        """The length of a bias or a norm, of one layer; None where it is that of the unembedding."""
        matrix = {"qkvb": "qkvw", "fcb": "fcw"}.get(place)
        return None if place == "unembedb" else self.matrix(matrix)[0] if matrix else self.width


class Placement(NamedTuple):
    """What has to be done with a recorded tensor."""

    place: str
    """llm.c's name."""
    transposed: bool
    """Whether columns stand where the forward pass takes rows."""
    unstacked: bool
    """Whether the one layer's tensor lacks the axis of layers."""
    shape: tuple[int, ...]
    """Of one layer, rows first."""


def is_transposed(place: str, dims: Sequence[str], shape: Sequence[int], expected: Shape = (None, None)) -> bool:
    """Whether a matrix, `dims` and `shape` of its two axes, has its columns first: by their names, else by its shape.

    Raises ValueError where neither tells, or the shape is not `expected`.
    """
    rows, columns = _AXES[place]
    if len(dims) != 2:
        raise ValueError(f"its axes {_words(dims)} are not those of a matrix")
    upright, turned = dims[0] in rows or dims[1] in columns, dims[0] in columns or dims[1] in rows
    fits = [_fits(shape, expected), _fits(shape[::-1], expected)]
    if upright != turned:
        if not fits[turned]:
            raise ValueError(
                f"its axes {_words(dims)} have the shape {_words(shape)}, where {_told(expected)} is due"
            )
        return turned
    if all(fits):
        raise ValueError(
            f"its axes {_words(dims)} of shape {_words(shape)} do not tell which is which; "
            f"dims must be {' and '.join(sorted(rows)[-1:] + sorted(columns)[:1])}"
        )
    if not any(fits):
        raise ValueError(f"its shape {_words(shape)} is not {_told(expected)}")
    return fits[1]


def _fits(shape: Sequence[int], expected: Shape) -> bool:
    return all(due is None or size == due for size, due in zip(shape, expected, strict=True))


def _words(axes: Sequence[object]) -> str:
    return f"({', '.join(map(str, axes))})"


def _told(expected: Shape) -> str:
    return _words(["any" if size is None else size for size in expected])


def placement(place: str, dims: Sequence[str], shape: Sequence[int], sizes: Sizes) -> Placement:
    """Where a tensor goes, from the names and the sizes of its axes. Raises ValueError where it does not fit."""
    unstacked = False
    if place in _PER_LAYER:
        stacked = dims[0] == "layer"
        if (shape[0] if stacked else 1) != sizes.layers:
            found = f"{shape[0]} layers" if stacked else "no axis of layers"
            raise ValueError(f"it has {found}, and the model {sizes.layers}")
        dims, shape, unstacked = (dims[1:], shape[1:], False) if stacked else (dims, shape, True)
    if place not in _AXES:
        if len(shape) != 1:
            raise ValueError(f"its axes {_words(dims)} are not those of a vector")
        due = sizes.vector(place)
        if due is not None and shape[0] != due:
            raise ValueError(f"its length {shape[0]} is not {due}")
        return Placement(place, False, unstacked, tuple(shape))
    turned = is_transposed(place, dims, shape, sizes.matrix(place))
    return Placement(place, turned, unstacked, tuple(shape[::-1] if turned else shape))


def placed(values: Array, where: Placement, sizes: Sizes, *, interleaved: bool) -> Array:
    """A recorded tensor as the forward pass takes it: rows first, layers stacked, then queries, keys and values."""
    if where.transposed:
        values = values.swapaxes(-1, -2)
    if where.unstacked:
        values = values[None]
    if interleaved and where.place in ("qkvw", "qkvb"):
        values = stacked_qkv(values, sizes.heads, axis=1)
    return values


def stacked_qkv(values: Array, heads: int, axis: int = 0) -> Array:
    """Interleaved rows (each head's q, k and v together, head after head) as stacked ones: all q, all k, all v."""
    rows = values.shape[axis]
    split = (*values.shape[:axis], heads, 3, rows // (3 * heads), *values.shape[axis + 1 :])
    return np.ascontiguousarray(values.reshape(split).swapaxes(axis, axis + 1)).reshape(values.shape)


def head_parts(qkv: Array, heads: int, kv_heads: int, *, interleaved: bool) -> dict[str, list[Array]]:
    """One layer's rows as "q" (`heads` blocks), "k" and "v" (`kv_heads` each), each block (head size, width).

    Empty where the rows do not make up so many heads of one size, or interleaved ones share keys.
    """
    if len(qkv) % (heads + 2 * kv_heads) or (interleaved and heads != kv_heads):
        return {}
    size = len(qkv) // (heads + 2 * kv_heads)
    ends = [heads * size, (heads + kv_heads) * size]
    rows = stacked_qkv(qkv, heads) if interleaved else qkv
    return {
        part: np.split(block, len(block) // size) for part, block in zip("qkv", np.split(rows, ends), strict=True)
    }
