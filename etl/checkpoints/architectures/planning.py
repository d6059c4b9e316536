"""How the tensors of a checkpoint become those of a run: under which name, with which axes, made of what."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from etl.checkpoints.formats.contents import Contents, Facts, Stored
from etl.run.layout import DTYPES
from etl.run.roles import Role
from etl.run.wrapping import unwrapped

Array = npt.NDArray[Any]
Change = Callable[[Array], Array]
"""From a tensor as it is stored to its part of the run's tensor."""

_WIDER: Final[Mapping[str, str]] = {
    "bool": "uint8", "int16": "int32", "uint16": "int32", "uint32": "int64", "complex64": "float32",
    "complex128": "float64", "float8_e4m3fn": "float32", "float8_e5m2": "float32", "float8_e4m3fnuz": "float32",
    "float8_e5m2fnuz": "float32", "float8_e8m0fnu": "float32",
}  # fmt: skip
"""Dtypes that the snapshot format lacks -> the one that holds all their values."""
_MOST_AXES: Final = 8
TAKEN: Final = "after_update"
"""A checkpoint has the parameters after as many updates as its step says."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One stored tensor within a tensor of the run."""

    stored: Stored
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One tensor of the run: its entry in the manifest, still without an offset, and the pieces that it is made of,
    one behind the other."""

    entry: Mapping[str, Any]
    pieces: Sequence[Piece] = ()


@dataclass(frozen=True)
class Layout:
    """A checkpoint as a run has it: the manifest's `model`, and the plans of its tensors."""

    model: Mapping[str, Any]
    plans: Sequence[Plan]


@dataclass(frozen=True)
class Model:
    """What an architecture is told by: tensors by their names without wrappers, and settings.

    `config` is what the training program says of the model (config.json, nanoGPT's model_args, llm.c's header).
    """

    tensors: Mapping[str, Stored]
    originals: Mapping[str, str]
    config: Facts
    facts: Facts
    left_out: Mapping[str, str]

    @classmethod
    def of(cls, contents: Contents, config: Facts) -> Model:
        originals = {unwrapped(name): name for name in contents.tensors}
        tensors = {name: contents.tensors[original] for name, original in originals.items()}
        return cls(tensors, originals, config, contents.facts, contents.left_out)

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """() for a tensor that is not there."""
        return self.tensors[name].shape if name in self.tensors else ()

    def number(self, *keys: str) -> int | None:
        """The first of these settings that is a whole number from 1 on."""
        values = (self.config.get(key) for key in keys)
        return next((value for value in values if type(value) is int and value >= 1), None)


def plain_plan(
    section: str,
    name: str,
    stored: Stored,
    dims: Sequence[str],
    *,
    original: str,
    role: Role | None = None,
    layer: int | None = None,
    group: str | None = None,
) -> Plan:
    """A tensor as it is stored, under a name of its own."""
    entry = _named(section, name, original) | _optional(role=role, layer=layer, group=group)
    if why := _why_not(stored):
        return Plan(entry | {"dims": ["one"], "shape": [1], "dtype": "float32", "missing": why})
    shape, axes = (list(stored.shape), list(dims)) if stored.shape else ([1], ["one"])
    change: Change | None = None
    if stored.dtype.startswith("complex"):
        shape, axes, change = [*stored.shape, 2], [*(axes if stored.shape else ()), "part"], _parts
    dtype = _WIDER.get(stored.dtype, stored.dtype)
    return Plan(entry | {"dims": axes, "shape": shape, "dtype": dtype}, [Piece(stored, change)])


def missing_plan(section: str, name: str, why: str) -> Plan:
    """A tensor that stands in the checkpoint and cannot be read."""
    blank = {"dims": ["one"], "shape": [1], "dtype": "float32", "missing": why}
    return Plan(_named(section, name, name) | blank)


def stacked_plan(
    name: str, dims: Sequence[str], shape: Sequence[int], pieces: Sequence[Piece], original: str
) -> Plan:
    """A tensor of section params that is made of several; `shape` is of them all together."""
    dtypes = {_WIDER.get(piece.stored.dtype, piece.stored.dtype) for piece in pieces}
    dtype = dtypes.pop() if len(dtypes) == 1 else "float32"
    entry = _named("params", name, original) | {"dims": list(dims), "shape": list(shape), "dtype": dtype}
    return Plan(entry, pieces)


def _named(section: str, name: str, original: str) -> dict[str, Any]:
    shown = name.replace("/", "%2F").replace("\\", "%5C")
    entry = {"name": f"{section}/{shown}", "section": section, "taken": TAKEN}
    return entry | ({"original": original} if original != shown else {})


def _optional(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _why_not(stored: Stored) -> str:
    if not math.prod(stored.shape):
        return "has no elements"
    if len(stored.shape) > _MOST_AXES - stored.dtype.startswith("complex"):
        return f"has {len(stored.shape)} axes"
    if stored.dtype not in DTYPES and stored.dtype not in _WIDER:
        return f"is of dtype {stored.dtype}"
    return ""


def _parts(values: Array) -> Array:
    """The real and the imaginary part of complex numbers, on a last axis."""
    return np.stack([values.real, values.imag], axis=-1)


def transposed(values: Array) -> Array:
    """A matrix with its axes the other way round."""
    return values.T
