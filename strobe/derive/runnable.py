"""Whether the forward pass can run what a run recorded, and its parameters as the pass takes them.

It runs a model as the manifest says it is, or refuses with the name of what stands against it; it never makes logits
of what it does not understand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final

from etl.run.snapshot import Snapshot
from strobe.analysis.architecture import Architecture, missing_weights, weight_names
from strobe.analysis.placing import Array, Placement, Sizes, placed, placement
from strobe.derive.recorded_run import NotApplicableError, RecordedRun

_BIASES: Final = ("qkvb", "attprojb", "fcb", "fcprojb")
_NORM_WEIGHTS: Final = ("ln1w", "ln2w", "lnfw")
_NORM_BIASES: Final = ("ln1b", "ln2b", "lnfb")


class Runnable:
    """The model of a run, ready for its snapshots' parameters."""

    def __init__(self, recorded: RecordedRun) -> None:
        """Raises NotApplicableError where the manifest already tells that the model cannot be run."""
        self._recorded = recorded
        self.architecture: Architecture = recorded.architecture
        try:
            self._interleaved = recorded.interleaved
            self._sizes = Sizes.of(recorded.model, self.architecture)
            names = weight_names(recorded.roles)
            _check_names(names, self.architecture, recorded.model)
            self._places = {name: self._placement(name, place) for name, place in names.items()}
            self._check_unembedding()
        except (KeyError, ValueError) as error:
            raise NotApplicableError(f"no forward pass for this model ({error})") from None

    def _placement(self, name: str, place: str) -> Placement:
        spec = self._recorded.spec(f"params/{name}")
        try:
            return placement(place, spec["dims"], spec["shape"], self._sizes)
        except ValueError as error:
            raise ValueError(f"params/{name}: {error}") from None

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {where.place: where.shape for where in self._places.values()}

    def _check_unembedding(self) -> None:
        biases = self._shapes.get("unembedb", (self.classes,))[0]
        if biases != self.classes:
            raise ValueError(f"the unembedding has {biases} biases for {self.classes} logits")

    @property
    def vocabulary(self) -> int:
        """How many tokens have an embedding."""
        return self._shapes["wte"][0]

    @property
    def positions(self) -> int:
        """How many positions have an embedding."""
        return self._shapes["wpe"][0]

    @property
    def classes(self) -> int:
        """How many logits there are."""
        return self._shapes["wte" if self.architecture.tied_embeddings else "unembed"][0]

    def params(self, snapshot: Snapshot) -> dict[str, Array]:
        """A snapshot's parameters by llm.c's names, as `forward` takes them. Raises SnapshotError."""
        return {
            where.place: placed(snapshot.values(f"params/{name}"), where, self._sizes, interleaved=self._interleaved)
            for name, where in self._places.items()
        }


def _check_names(names: Mapping[str, str], architecture: Architecture, model: Mapping[str, Any]) -> None:
    """Raises ValueError for what is missing, and for what is there against what the model says of itself."""
    there = set(names.values())
    if missing := missing_weights(there, architecture):
        raise ValueError(f"the snapshots lack the weight {missing[0]!r}, so the model cannot be run")
    if architecture.tied_embeddings and "unembed" in there:
        raise ValueError("its embeddings are tied, and yet the snapshots hold an unembedding")
    if model.get("bias") and (lacking := _lacking(_BIASES, there)):
        raise ValueError(f"the model has biases, and the snapshots lack {lacking[0]!r}")
    for group in (_NORM_WEIGHTS, _NORM_BIASES):
        lacking = _lacking(group, there)
        if architecture.layernorm == "pre" and 0 < len(lacking) < len(group):
            raise ValueError(f"some of its norms have parameters, and the snapshots lack {lacking[0]!r}")


def _lacking(group: Iterable[str], there: set[str]) -> list[str]:
    return [name for name in group if name not in there]
