"""GPT-2's tensors under llm.c's names, one for all layers, however another program names, splits and turns them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from etl.checkpoints.architectures.plain import own_plans
from etl.checkpoints.architectures.planning import Change, Layout, Model, Piece, Plan, stacked_plan
from etl.checkpoints.formats.contents import Stored

AXES: Final[Mapping[str, tuple[str, ...]]] = {
    "wte": ("token", "channel"), "wpe": ("position", "channel"),
    "ln1w": ("layer", "channel"), "ln1b": ("layer", "channel"),
    "qkvw": ("layer", "out", "in"), "qkvb": ("layer", "out"),
    "attprojw": ("layer", "out", "in"), "attprojb": ("layer", "out"),
    "ln2w": ("layer", "channel"), "ln2b": ("layer", "channel"),
    "fcw": ("layer", "out", "in"), "fcb": ("layer", "out"),
    "fcprojw": ("layer", "out", "in"), "fcprojb": ("layer", "out"),
    "lnfw": ("channel",), "lnfb": ("channel",),
    "unembed": ("token", "channel"), "unembedb": ("token",),
}  # fmt: skip
"""llm.c's names, in its order, with the axes that they have in a run."""
_SETTINGS: Final = (
    "n_layer", "n_head", "n_embd", "mlp_width", "block_size", "vocab_size", "activation", "layernorm",
    "layernorm_eps", "bias", "tied_embeddings",
)  # fmt: skip
"""What a forward pass of GPT-2 has to know."""
ACTIVATIONS: Final[Mapping[object, str]] = {
    "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh", "gelu_tanh": "gelu_tanh",
    "gelu": "gelu", "relu": "relu",
}  # fmt: skip
"""The words of others for an activation -> ours."""


class Source(NamedTuple):
    """A stored tensor, by its name, within one of llm.c's; `change` makes it lie as llm.c has it."""

    name: str
    change: Change | None = None


class Canonical:
    """Takes tensors of a model one after the other; what is left keeps its own name."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._plans: dict[str, Plan] = {}
        self._used: set[str] = set()

    def add(
        self,
        place: str,
        pattern: str,
        rows: Sequence[Sequence[Source]],
        shape: Sequence[int],
        axes: Sequence[str] = (),
    ) -> None:
        """llm.c's `place` from `rows`, the sources of each layer (of the one tensor outside layers), `shape` of one.

        `pattern` is what a person calls them, `axes` are theirs where not llm.c's. Nothing is taken where one of them
        is not there, or their sizes do not make up the shape.
        """
        sources = [source for row in rows for source in row]
        if not rows or any(source.name not in self._model for source in sources):
            return
        stored = [self._model.tensors[source.name] for source in sources]
        sizes = [sum(math.prod(self._model.shape(source.name)) for source in row) for row in rows]
        if any(size != math.prod(shape) or not size for size in sizes) or not all(map(_is_real, stored)):
            return
        axes = axes or AXES[place]
        whole = [len(rows), *shape] if axes[0] == "layer" else list(shape)
        pieces = [Piece(each, source.change) for each, source in zip(stored, sources, strict=True)]
        self._plans[place] = stacked_plan(place, axes, whole, pieces, pattern)
        self._used.update(source.name for source in sources)

    def leave_out(self, name: str) -> None:
        """A tensor that is another one's bytes once more."""
        self._used.add(name)

    def __contains__(self, place: str) -> bool:
        return place in self._plans

    def layout(self, described: Mapping[str, Any]) -> Layout:
        """What was taken, in llm.c's order, and the rest."""
        rest = [name for name in self._model.tensors if name not in self._used]
        ordered = [self._plans[place] for place in AXES if place in self._plans]
        return Layout(described, [*ordered, *own_plans(self._model, rest)])


def _is_real(stored: Stored) -> bool:
    return stored.dtype in ("float32", "float64", "float16", "bfloat16")


def gpt2_or(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest's `model`: of family "gpt2" where all that its forward pass needs is known, else of family `name`
    with what is."""
    known = {key: value for key, value in settings.items() if value is not None}
    whole = all(key in known for key in _SETTINGS)
    return {"family": "gpt2" if whole else name} | known
