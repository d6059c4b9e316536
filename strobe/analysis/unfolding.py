"""A tensor of any number of axes as matrices: what a spectrum, a heatmap and a histogram are of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]

APART: Final = ("expert", "head")
"""Leading axes along which a tensor holds one matrix after another."""
_WINDOW: Final = ("height", "width", "depth", "kernel")
"""Axes of a convolution's kernel."""


@dataclass(frozen=True)
class Unfolding:
    """How one matrix (rows, columns) lies in a tensor. A vector is one row."""

    shape: tuple[int, int]
    dims: tuple[str, str]
    """Names of the axes; of several that became one, with a dot between them: "in·height·width"."""
    part: tuple[str, int] | None = None
    """The place on the first axis, where that holds one matrix after another: ("expert", 3)."""
    vector: bool = False

    @property
    def folded(self) -> bool:
        """Whether the columns are several axes of the tensor."""
        return "·" in self.dims[1]

    def of(self, values: Array) -> Array:
        """The matrix of a tensor's `values`."""
        own = values if self.part is None else values[self.part[1]]
        return own.reshape(self.shape)


def unfoldings(dims: Sequence[str], shape: Sequence[int], role: str | None = None) -> list[Unfolding]:
    """The matrices of a tensor, or of one layer of it: `dims` and `shape` are without an axis "layer".

    One matrix for each place on a leading axis `expert` or `head`, and of an expert's three axes whatever they are
    called. Leading axes of length 1 say nothing and are dropped, unless they belong to a kernel. Of what has more
    than two axes still, the first are the rows and all others the columns, in C order: a convolution's (out, in,
    height, width) is the matrix (out, in·height·width) that its input patches are multiplied by.
    """
    names, sizes = list(map(str, dims)), list(map(int, shape))
    kernel = role == "conv" or any(name in _WINDOW for name in names)
    while len(sizes) > 2 and sizes[0] == 1 and not kernel and names[0] not in APART:
        names, sizes = names[1:], sizes[1:]
    apart = len(sizes) > 2 and not kernel and (names[0] in APART or (role == "expert" and len(sizes) == 3))
    if not apart:
        return [_one(names, sizes)]
    kind = names[0] if names[0] in APART else "expert"
    one = _one(names[1:], sizes[1:])
    return [Unfolding(one.shape, one.dims, (kind, place)) for place in range(sizes[0])]


def _one(names: Sequence[str], sizes: Sequence[int]) -> Unfolding:
    if len(sizes) == 1:
        return Unfolding((1, sizes[0]), ("one", names[0]), vector=True)
    return Unfolding((sizes[0], math.prod(sizes[1:])), (names[0], "·".join(names[1:])))
