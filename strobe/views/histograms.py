"""How the weights of a matrix are spread, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from etl.run.snapshot import Snapshot
from strobe.analysis.histogram import MOST as MOST_BINS
from strobe.analysis.histogram import histogram
from strobe.views.budget import even_rows, evenly
from strobe.views.matrices import WeightMatrix, read_matrix
from strobe.views.reading import at_steps
from strobe.views.run_view import RunView
from strobe.views.weights import affordable

MOST_SAMPLED: Final = 65_536
"""Weights of a layer that its histogram counts: of larger ones, evenly spaced whole rows."""

MOST_LAYERS: Final = 24
"""More lines than these in one panel cannot be told apart."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Histograms:
    """`centres` and `density` float32 (steps, layers, bins), NaN beyond a histogram's own bins: every step and layer
    has bins of its own. `sampled` of `total` weights of each layer were counted. Where there is none, `reason` says
    why."""

    steps: list[int]
    layers: list[str]
    centres: Array
    density: Array
    sampled: int
    total: int
    reason: str = ""

    @property
    def left_out(self) -> str:
        """What was not counted, as a sentence; empty where all was."""
        if self.sampled == self.total:
            return ""
        return f"Counted: {self.sampled:,} of {self.total:,} weights a layer, evenly spaced rows."


def shown(layers: Sequence[WeightMatrix], own: WeightMatrix) -> list[WeightMatrix]:
    """All layers of a matrix, or evenly spaced ones with both ends and its `own`."""
    if len(layers) <= MOST_LAYERS:
        return list(layers)
    kept = {*evenly(range(len(layers)), MOST_LAYERS - 1), layers.index(own)}
    return [layers[k] for k in sorted(kept)]


def sampled_rows(matrix: WeightMatrix) -> list[int]:
    """The rows whose weights are counted."""
    return even_rows(matrix.shape[0], max(1, MOST_SAMPLED // matrix.shape[1]))


def steps(view: RunView, layers: Sequence[WeightMatrix], settled: int) -> list[int]:
    """The steps whose histograms a panel holds: fewer than its matrices where there are many layers."""
    rows, columns = layers[0].shape
    read = 4 * min(rows * columns, MOST_SAMPLED) * len(layers)
    # Counting costs some ten times what reading does, so the budget in bytes is a tenth.
    return sorted({*affordable(view, layers[0], 10 * read), settled})


def spread(snapshot: Snapshot, layers: Sequence[WeightMatrix]) -> Array:
    """float32 (2, layers, bins): centres and density, NaN beyond a layer's own bins."""
    made = np.full((2, len(layers), MOST_BINS), np.nan, np.float32)
    for k, layer in enumerate(layers):
        counted = histogram(np.asarray(read_matrix(snapshot, layer)[sampled_rows(layer)], np.float32))
        bins = len(counted.density)
        made[0, k, :bins] = (counted.edges[1:] + counted.edges[:-1]) / 2 if bins else np.nan
        made[1, k, :bins] = counted.density
    return made


def spreads(
    view: RunView, layers: Sequence[WeightMatrix], steps: Sequence[int]
) -> Iterator[tuple[int, Array | None]]:
    """(step, `spread` there) one after the other, None where a snapshot cannot be read."""
    return at_steps(view, steps, lambda snapshot: spread(snapshot, layers))


def histograms(layers: Sequence[WeightMatrix], read: Mapping[int, Array | None], steps: Sequence[int]) -> Histograms:
    """The histograms of all `layers` (one at least, of one shape) at those of `steps` that were `read`."""
    drawn = {step: kept for step in steps if (kept := read[step]) is not None}
    both = np.stack(list(drawn.values())) if drawn else np.zeros((0, 2, len(layers), MOST_BINS), np.float32)
    labels = [f"layer {layer.layer}" if layer.layer is not None else layer.name for layer in layers]
    rows, columns = layers[0].shape
    some = np.isfinite(both[:, 1]).any()
    reason = "" if some else "No histogram: the weights are all equal, not finite, or cannot be read."
    return Histograms(
        list(drawn), labels, both[:, 0], both[:, 1], len(sampled_rows(layers[0])) * columns, rows * columns, reason
    )
