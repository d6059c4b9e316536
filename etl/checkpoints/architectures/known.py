"""Which architecture a checkpoint is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from etl.checkpoints.architectures import families, gpt2, llmc, plain, transformer_lens
from etl.checkpoints.architectures.planning import Layout, Model

_KNOWN: Final[tuple[Callable[[Model], Layout | None], ...]] = (
    llmc.layout,
    gpt2.layout,
    transformer_lens.layout,
    families.layout,
)
"""Each gives the layout of its architecture, or None for another."""


def layout_of(model: Model) -> Layout:
    """The layout of the first architecture that the tensors' names and shapes fit; else their own names."""
    found = (make(model) for make in _KNOWN)
    return next((layout for layout in found if layout is not None), None) or plain.layout(model)
