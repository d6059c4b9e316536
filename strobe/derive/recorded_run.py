"""A recorded run as the analyses see it: its snapshots' tensors, by name and by role, and its architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.roles import Role, first_with, role_of, tensors_with
from etl.run.snapshot import Snapshot
from strobe.analysis.forward import Architecture

Array = npt.NDArray[Any]


class NotApplicableError(StrobeError):
    """An analysis that this run can never have; the text says why and what would be needed."""


class RecordedRun:
    """One run under analysis; which file stands for which step is read once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.paths = run.current()

    @property
    def steps(self) -> list[int]:
        """Steps with a snapshot, ascending, superseded attempts left out."""
        return list(self.paths)

    @property
    def superseded(self) -> set[int]:
        """Steps whose every snapshot a later attempt cut off; a step whose files were thinned away is not one."""
        return {step for step, _, _ in self.run.files()} - set(self.run.current())

    @property
    def model(self) -> Mapping[str, Any]:
        """The manifest's `model`."""
        model: Mapping[str, Any] = self.run.manifest.raw["model"]
        return model

    def at(self, step: int) -> Snapshot:
        """The snapshot of a step. Raises SnapshotError when it is damaged."""
        return self.run.open(self.paths[step])

    def names(self, section: str) -> list[str]:
        """The tensors of a section, without it: "wte"; empty where it was not recorded."""
        tensors = self.run.manifest.raw["snapshot"]["tensors"]
        return [tensor["name"].partition("/")[2] for tensor in tensors if tensor["section"] == section]

    def parameter(self, role: Role) -> str | None:
        """The first tensor of a role as "params/NAME"; None where the model has none."""
        return first_with(self.run.manifest.raw, role)

    def parameters(self, role: Role) -> list[str]:
        """Every tensor of a role as "params/NAME"."""
        return tensors_with(self.run.manifest.raw, role)

    @cached_property
    def roles(self) -> dict[str, Role | None]:
        """The role of each params tensor, by its name without the section."""
        tensors = self.run.manifest.raw["snapshot"]["tensors"]
        return {t["name"].partition("/")[2]: role_of(t) for t in tensors if t["section"] == "params"}

    @cached_property
    def architecture(self) -> Architecture:
        """Raises NotApplicableError where the model has no forward pass here."""
        try:
            return Architecture.of(self.model)
        except (KeyError, ValueError) as error:
            raise NotApplicableError(f"no forward pass for this model ({error})") from None

    def heads(self, qkv: Array) -> dict[str, list[Array]]:
        """The rows of one layer's queries, keys and values (3 C, C) as "q", "k" and "v", each a list of (D, C).

        Empty where the model does not say how many heads there are, or they are not stacked in equal thirds.
        """
        heads = self.model.get("n_head")
        if not isinstance(heads, int) or heads < 1 or len(qkv) % (3 * heads):
            return {}
        if self.model.get("qkv_layout", "stacked") != "stacked" or self.model.get("n_kv_head", heads) != heads:
            return {}
        return {part: np.split(block, heads) for part, block in zip("qkv", np.split(qkv, 3), strict=True)}


def layers(snapshot: Snapshot, name: str) -> Iterator[tuple[int | None, Array]]:
    """(layer, values) of a tensor: of each layer where the first axis stacks them, else once with its own or None."""
    spec, values = snapshot.spec(name), np.asarray(snapshot.values(name))
    if spec["dims"][0] == "layer":
        yield from enumerate(values)
    else:
        yield spec.get("layer"), values
