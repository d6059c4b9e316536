"""Neurons over all inputs a, b of a model that adds modulo p: their activation at every input, from a forward pass of
the snapshot's own parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from etl.errors import StrobeError
from strobe.analysis.fourier import SPECIALISED
from strobe.views.budget import MOST_BYTES, evenly
from strobe.views.run_view import RunView, literal

TILES: Final = 12
"""Neurons whose activation grids are drawn together."""
MOST_FRAMES: Final = 40
"""Snapshots whose grids are computed: a forward pass over all p * p inputs each."""
MOST_INPUTS: Final = 100_000
MOST_NAMED: Final = 4096
"""Neurons that can be picked; of more, those with the largest shares."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Neuron:
    """One neuron with its best frequency and the share of its variance at the last analysed snapshot."""

    layer: int
    neuron: int
    frequency: int
    share: float

    @property
    def id(self) -> str:
        return f"{self.layer}.{self.neuron}"


@dataclass(frozen=True)
class Inputs:
    """All `count` = p * p inputs, and why the model is not run on them; empty where it can be."""

    count: int
    reason: str = ""


@dataclass(frozen=True)
class Grids:
    """`tiles` uint8 (neurons, p, p), each neuron from its `low` to its `high` activation, float32 (neurons,)."""

    tiles: Array
    low: Array
    high: Array


def inputs(view: RunView) -> Inputs:
    """Whether the run's model can be run on all its inputs here."""
    p = view.modulus() if view.steps else None
    if p is None or view.snapshots() is None:
        return Inputs(0, "The snapshots of this run are not on this machine; its tables are.")
    if p * p > MOST_INPUTS:
        return Inputs(p * p, f"Not computed: {p * p:,} inputs are more than the {MOST_INPUTS:,} that are run here.")
    return Inputs(p * p)


def _last(view: RunView) -> str:
    """Rows of the last analysed snapshot that has a share."""
    return f"""FROM neurons WHERE run = {literal(view.run)} AND share IS NOT NULL
  AND step = (SELECT max(step) FROM neurons WHERE run = {literal(view.run)})"""


def named(view: RunView) -> list[Neuron]:
    """The neurons that can be picked, those with the largest shares first."""
    rows = view.rows(
        f"SELECT layer, neuron, frequency, share {_last(view)} ORDER BY share DESC, layer, neuron LIMIT {MOST_NAMED}"
    )
    return [Neuron(**row) for row in rows]


def clearest(view: RunView) -> list[Neuron]:
    """The neurons that are drawn together: the largest shares of every frequency in turn."""
    rows = view.rows(f"""SELECT layer, neuron, frequency, share FROM (
  SELECT *, row_number() OVER (PARTITION BY frequency ORDER BY share DESC) AS place {_last(view)}
) ORDER BY share < {SPECIALISED}, place, frequency LIMIT {TILES}""")
    return [Neuron(**row) for row in rows]


def history(view: RunView, neuron: Neuron) -> dict[int, tuple[int, float]]:
    """Step -> the neuron's best frequency and its share there."""
    rows = view.rows(f"""SELECT step, frequency, share FROM neurons
WHERE run = {literal(view.run)} AND layer = {neuron.layer} AND neuron = {neuron.neuron} AND share IS NOT NULL""")
    return {row["step"]: (row["frequency"], row["share"]) for row in rows}


def affordable(view: RunView, tiles: int, each: int, most: int = MOST_FRAMES) -> list[int]:
    """The steps whose grids are computed before anybody asks, for so many tiles of `each` inputs."""
    return evenly(view.steps, max(2, min(most, MOST_BYTES // (tiles * each))))


def activations(view: RunView, step: int, chosen: Sequence[Neuron]) -> Array | None:
    """float32 (neurons, p, p): the activations of some neurons in one snapshot; None where it cannot be run."""
    from strobe.derive.addition import AdditionModel
    from strobe.derive.recorded_run import RecordedRun

    snapshots = view.snapshots()
    if snapshots is None:
        return None
    try:
        model = AdditionModel(RecordedRun(snapshots))
        own = model.activations(step, [each.layer for each in chosen], [each.neuron for each in chosen])
        return own.reshape(len(chosen), model.modulus, model.modulus)
    except (StrobeError, OSError, KeyError):
        return None


def grids(activation: Array | None) -> Grids | None:
    """The grids of some neurons, from their `activations`."""
    if activation is None:
        return None
    low, high = activation.min(axis=(1, 2)), activation.max(axis=(1, 2))
    span = np.where(high > low, high - low, 1)
    tiles = np.round((activation - low[:, None, None]) / span[:, None, None] * 255).astype(np.uint8)
    return Grids(tiles, low, high)


def table(activation: Array, chosen: Sequence[Neuron]) -> pa.Table:
    """layer, neuron, a, b, activation (float32) of some neurons, from their `activations`."""
    which, a, b = (axis.ravel() for axis in np.indices(activation.shape))
    layer, neuron = (np.array([getattr(n, name) for n in chosen])[which] for name in ("layer", "neuron"))
    return pa.table({"layer": layer, "neuron": neuron, "a": a, "b": b, "activation": activation.ravel()})
