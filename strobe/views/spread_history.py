"""How the numbers of a matrix, its gradients, its movements, or a layer's activations are spread, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from etl.run.snapshot import Snapshot
from strobe.analysis.histogram import MOST as MOST_BINS
from strobe.analysis.histogram import histogram
from strobe.views.budget import evenly
from strobe.views.histograms import MOST_SAMPLED, sampled_rows
from strobe.views.matrices import WeightMatrix, read_matrix
from strobe.views.reading import at_steps
from strobe.views.run_view import RunView
from strobe.views.weights import affordable
from strobe.views.words import number

MOST_STEPS: Final = 40
"""Of which distributions are drawn: more would lie on each other."""
HEAT_BINS: Final = 40
STATES: Final = "residual/residual3"
"""The tensor of activations: the residual stream behind each block (layer, probe, position, channel)."""
KINDS: Final = {
    "weights": "weight", "gradients": "gradient", "updates": "movement a step", "activations": "activation",
}  # fmt: skip
"""What may be looked at -> what one number of it is."""
_NONE: Final = "No distribution: the numbers are all equal, not finite, or not recorded."

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SpreadHistory:
    """`centres` and `density` float32 (steps, bins), NaN beyond a histogram's own bins: every step has bins of its
    own. Where there is none, `reason` says why."""

    steps: list[int]
    centres: Array
    density: Array
    reason: str = ""


def kinds(view: RunView, matrix: WeightMatrix) -> list[str]:
    """What of KINDS the run recorded of a matrix; of movements two snapshots are needed."""
    names = {entry["name"] for entry in view.tensor_entries()}
    there = {
        "weights": True, "gradients": f"grads/{matrix.name}" in names, "updates": len(view.steps) > 1,
        "activations": STATES in names and matrix.layer is not None,
    }  # fmt: skip
    return [kind for kind in KINDS if there[kind]]


def steps(view: RunView, matrix: WeightMatrix, settled: int) -> list[int]:
    """The steps that are drawn: evenly spaced ones, fewer of a large matrix, and the settled one."""
    # Counting costs some ten times what reading does.
    read = 40 * min(matrix.shape[0] * matrix.shape[1], MOST_SAMPLED)
    return sorted({*evenly(affordable(view, matrix, read), MOST_STEPS), settled})


def spreads(
    view: RunView, matrix: WeightMatrix, kind: str, wanted: Sequence[int]
) -> Iterator[tuple[int, Array | None]]:  # fmt: skip
    """(step, float32 (2, bins): centres and density there) one after the other; None where it cannot be had, as the
    movement to the first snapshot."""
    if kind == "updates":
        for step in wanted:
            yield step, _moved(view, matrix, step)
        return
    read = _READERS[kind]
    yield from at_steps(view, wanted, lambda snapshot: _spread(read(snapshot, matrix)))


def history(read: Mapping[int, Array | None], wanted: Sequence[int]) -> SpreadHistory:
    """The histograms at those of the steps that were `read` and have any bins."""
    drawn = {step: kept for step in wanted if (kept := read.get(step)) is not None and np.isfinite(kept[1]).any()}
    if not drawn:
        none = np.zeros((0, MOST_BINS), np.float32)
        return SpreadHistory([], none, none, _NONE)
    both = np.stack(list(drawn.values()))
    return SpreadHistory(list(drawn), both[:, 0], both[:, 1])


def heat(shown: SpreadHistory) -> tuple[list[str], Array]:
    """The same in bins that all steps share: their names, the highest values first, and the density (bins, steps).

    The bins hold equal shares of all steps together, so that they are narrow where numbers are many.
    """
    edges, shares = zip(*map(_cumulated, shown.centres, shown.density), strict=True)
    grid = np.unique(np.concatenate(edges))
    together = np.mean([np.interp(grid, *own) for own in zip(edges, shares, strict=True)], axis=0)
    rising = np.concatenate([[True], np.diff(together) > 0])
    common = np.unique(np.interp(np.linspace(0, 1, HEAT_BINS + 1), together[rising] / together[-1], grid[rising]))
    each = [np.diff(np.interp(common, *own)) / np.diff(common) for own in zip(edges, shares, strict=True)]
    names = [f"{number(low, 2)} to {number(high, 2)}" for low, high in pairwise(common)]
    told = [f"{name} ({k + 1})" if names.count(name) > 1 else name for k, name in enumerate(names)]
    return told[::-1], np.stack(each, 1)[::-1]


def _cumulated(centres: Array, density: Array) -> tuple[Array, Array]:
    """The edges of a histogram's bins and the share of the numbers below each."""
    own = np.isfinite(density)
    at, high = centres[own].astype(np.float64), density[own].astype(np.float64)
    width = (at[-1] - at[0]) / (len(at) - 1)
    edges = np.append(at - width / 2, at[-1] + width / 2)
    return edges, np.concatenate([[0.0], np.cumsum(high * width)])


def _spread(values: Array) -> Array:
    made = np.full((2, MOST_BINS), np.nan, np.float32)
    counted = histogram(np.asarray(values, np.float32))
    bins = len(counted.density)
    if bins:
        made[0, :bins] = (counted.edges[1:] + counted.edges[:-1]) / 2
        made[1, :bins] = counted.density
    return made


def _moved(view: RunView, matrix: WeightMatrix, step: int) -> Array | None:
    """From the snapshot before, divided by the steps between."""
    before = [other for other in view.steps if other < step]
    if not before:
        return None
    both = dict(at_steps(view, [before[-1], step], lambda snapshot: _of_params(snapshot, matrix)))
    first, second = both[before[-1]], both[step]
    if first is None or second is None:
        return None
    return _spread((second.astype(np.float64) - first) / (step - before[-1]))


def _of_params(snapshot: Snapshot, matrix: WeightMatrix) -> Array:
    return read_matrix(snapshot, matrix)[sampled_rows(matrix)]


def _of_grads(snapshot: Snapshot, matrix: WeightMatrix) -> Array:
    return read_matrix(snapshot, matrix, "grads")[sampled_rows(matrix)]


def _states(snapshot: Snapshot, matrix: WeightMatrix) -> Array:
    values = np.asarray(snapshot.values(STATES, matrix.layer or 0)).ravel()
    return values[:: max(1, -(-values.size // MOST_SAMPLED))]


_READERS: Final[dict[str, Callable[[Snapshot, WeightMatrix], Array]]] = {
    "weights": _of_params, "gradients": _of_grads, "activations": _states,
}  # fmt: skip
