"""How a matrix is called: by its tensor and layer, or by the label that pages show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from etl.errors import StrobeError
from strobe.views.ordering import natural
from strobe.views.words import visible


class MatrixName:
    """What names a matrix. `name` is that of its tensor in the snapshots; `group` what the tables call it, where each
    layer is a tensor of its own; `part` is ("expert", 3) where the tensor holds one matrix after another."""

    name: str
    layer: int | None
    group: str
    part: tuple[str, int] | None

    @property
    def tensor(self) -> str:
        """Its name in the tables."""
        return self.group or self.name

    @property
    def label(self) -> str:
        layer = "" if self.layer is None else f".{self.layer}"
        return f"{self.tensor}{layer}" + (f" {self.part[0]} {self.part[1]}" if self.part else "")


Named = TypeVar("Named", bound=MatrixName)


def asked(
    among: Sequence[Named], tensor: str, layer: int = 0, *, lack: str = "its snapshots have no params/{}"
) -> Named:
    """The one that a command names: by its label, as "mlp.up.0 expert 3", or by its tensor and layer. Raises
    StrobeError, with what there is; `lack` begins it where none is called so."""
    own = [each for each in among if tensor in (each.name, each.tensor)]
    if not own:
        found = next((each for each in among if each.label == tensor), None)
        if found is None:
            names = sorted({each.tensor for each in among}, key=natural)
            raise StrobeError(f"{lack.format(visible(tensor, 80))}; there are {_listed(names) or 'no parameters'}")
        return found
    layers = sorted({each.layer for each in own if each.layer is not None})
    if not layers and layer:
        raise StrobeError(f"{tensor} has no layers, so no layer {layer}; leave --layer out")
    # What is one layer of its group is named by itself: the layer need not be said.
    wanted = None if not layers else layers[0] if len(layers) == 1 and not layer else layer
    here = [each for each in own if each.layer == wanted]
    if not here:
        which = (
            f"{len(layers)} layers" if layers == list(range(len(layers))) else f"layers {_listed(map(str, layers))}"
        )
        raise StrobeError(f"{tensor} has {which}; --layer counts from 0")
    return here[0]


def _listed(names: Iterable[str]) -> str:
    every = [visible(name, 80) for name in names]
    return ", ".join(every[:12]) + (f" and {len(every) - 12:,} more" if len(every) > 12 else "")
