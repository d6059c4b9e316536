"""Frames of one weight matrix for panels that follow the cursor: the matrix binned, and the histograms of its layers.

What is read of one snapshot is kept by step, so that the settled step can be read and shown first and the others
later; a page asks `missing` which those are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import streamlit as st

from etl.errors import StrobeError
from etl.run.snapshot import Snapshot
from strobe.analysis.histogram import MOST as MOST_BINS
from strobe.analysis.histogram import histogram
from strobe.charts.binning import MOST_CELLS, bin_size, binned
from strobe.ui.panel.frames import MOST_MOVED, evenly, snapshots_of
from strobe.ui.shell.components import MOST_BYTES
from strobe.ui.shell.cursor import settled
from strobe.ui.shell.page import Page

MOST_READ: Final = 500_000_000
"""Bytes of weights that one panel reads: of larger runs, evenly spaced snapshots and the one under the cursor."""
MOST_SAMPLED: Final = 65_536
"""Weights of a layer that its histogram counts: of larger ones, evenly spaced whole rows."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Matrix:
    """One matrix of a run that can be looked at."""

    name: str
    layer: int | None
    shape: tuple[int, int]
    dims: tuple[str, str] = ("out", "in")
    """Names of the rows' and the columns' dimension, as the manifest has them."""

    @property
    def label(self) -> str:
        return self.name if self.layer is None else f"{self.name}.{self.layer}"

    @property
    def bytes(self) -> int:
        """As float32."""
        return 4 * self.shape[0] * self.shape[1]


@dataclass(frozen=True)
class Still:
    """One matrix at one step: `picture` float16 (rows, columns) of bins' means over `peak`; `reach` is the 99.9th
    percentile of their sizes."""

    picture: Array
    peak: float
    reach: float
    nonfinite: int


@dataclass(frozen=True)
class WeightFrames:
    """`values` uint8 (steps, rows, columns), 128 = 0, 1 and 255 = -/+ `reach`, each cell the mean of a bin."""

    steps: list[int]
    values: Array
    reach: float
    bins: tuple[int, int]
    nonfinite: int
    reason: str = ""


@dataclass(frozen=True)
class Histograms:
    """`centres` and `density` float32 (steps, layers, bins), NaN beyond a histogram's own bins: every step and layer
    has bins of its own. `sampled` of `total` weights of each layer were counted."""

    steps: list[int]
    layers: list[str]
    centres: Array
    density: Array
    sampled: int
    total: int


def matrices(page: Page) -> list[Matrix]:
    """Every weight matrix of the run, layer by layer; none where there are no snapshots at hand."""
    # Asked each time, since a folder can go while the server runs.
    if page.reader.run(page.run).folder is None:
        return []
    return _matrices(*page.reader.key, page.run, page)


@st.cache_resource(max_entries=64, show_spinner=False)
def _matrices(key: str, version: str, run: str, _page: Page) -> list[Matrix]:
    del key, version
    files = snapshots_of(_page, run)
    found = []
    for tensor in files.manifest.raw["snapshot"]["tensors"] if files is not None else []:
        if tensor["section"] != "params":
            continue
        name, shape, layered = tensor["name"].partition("/")[2], tensor["shape"], tensor["dims"][0] == "layer"
        if len(shape) - layered == 2:
            layers = range(shape[0]) if layered else [None]
            dims = (str(tensor["dims"][-2]), str(tensor["dims"][-1]))
            found += [Matrix(name, layer, (shape[-2], shape[-1]), dims) for layer in layers]
    return found


@st.cache_resource(max_entries=24, show_spinner=False)
def _kept(key: str, version: str, run: str, what: str, name: str, layer: int | None) -> dict[int, Any]:
    """Step -> what was read of it, None where it cannot be: filled as pages ask."""
    del key, version, run, what, name, layer
    return {}


def kept_of(page: Page, what: str, matrix: Matrix) -> dict[int, Any]:
    """Step -> `what` was read of the matrix, None where it cannot be."""
    layer = None if what == "histogram" else matrix.layer
    return _kept(*page.reader.key, page.run, what, matrix.name, layer)


def affordable(steps: list[int], matrix: Matrix, bytes_each: int | None = None) -> list[int]:
    """All steps, or evenly spaced ones with both ends: what can be read, and what a panel may hold, or where a step
    is added whenever the cursor rests, what may travel while somebody waits."""
    cells = min(matrix.shape[0], MOST_CELLS) * min(matrix.shape[1], MOST_CELLS)
    read = max(2, MOST_READ // (bytes_each or matrix.bytes))
    if len(steps) <= min(read, MOST_BYTES // cells):
        return steps
    return evenly(steps, max(2, min(read, MOST_MOVED // cells)))


def wanted(page: Page, matrix: Matrix) -> list[int]:
    """The steps that the panels of a matrix hold: `affordable` ones, and the settled one."""
    return sorted({*affordable(page.steps, matrix), settled(page.view)})


def missing(page: Page, matrix: Matrix, *, histograms: bool = False) -> list[int]:
    """The steps that the matrix, or its histograms, will be shown at and that were not read yet."""
    kept = kept_of(page, "histogram" if histograms else "still", matrix)
    steps = histogram_steps(page, matrix) if histograms else wanted(page, matrix)
    return [step for step in steps if step not in kept]


def frames(page: Page, matrix: Matrix, steps: Sequence[int]) -> WeightFrames:
    """The matrix at these steps, on one scale; a snapshot that cannot be read costs its own frame."""
    kept = kept_of(page, "still", matrix)
    fill(page, kept, [step for step in steps if step not in kept], lambda snapshot: _still(snapshot, matrix))
    found = {step: kept[step] for step in steps if kept[step] is not None}
    if not found:
        return _nothing("No snapshot of this matrix can be read.")
    reach = max(still.reach for still in found.values())
    if reach == 0:
        return _nothing("Every weight of this matrix is 0 or not finite, at every snapshot that was read.")
    values = np.stack([_shades(still, reach) for still in found.values()])
    nonfinite = sum(still.nonfinite for still in found.values())
    return WeightFrames(list(found), values, reach, bin_size(matrix.shape), nonfinite)


def _nothing(reason: str) -> WeightFrames:
    return WeightFrames([], np.zeros(0, np.uint8), 0.0, (1, 1), 0, reason)


def fill(page: Page, kept: dict[int, Any], steps: Sequence[int], make: Callable[[Snapshot], Any]) -> None:
    """Makes what is kept of these steps; None where a snapshot cannot be read."""
    files = snapshots_of(page, page.run) if steps else None
    paths = files.current() if files is not None else {}
    for step in steps:
        try:
            kept[step] = make(files.open(paths[step])) if files is not None else None
        except (StrobeError, OSError, KeyError):
            kept[step] = None


def weights(snapshot: Snapshot, matrix: Matrix) -> Array:
    """The matrix (rows, columns) as floats, of a stacked tensor the one layer alone. Raises KeyError where absent."""
    name = f"params/{matrix.name}"
    if matrix.layer is not None and "scale" not in snapshot.spec(name):
        own = snapshot[name][matrix.layer]
        return np.asarray(own if own.dtype.kind == "f" else own.astype(np.float32))
    values = snapshot.values(name)
    return values if matrix.layer is None else np.asarray(values[matrix.layer])


def _still(snapshot: Snapshot, matrix: Matrix) -> Still:
    whole = weights(snapshot, matrix)
    picture, _ = binned(whole)
    nonfinite = whole.size - int(np.count_nonzero(np.isfinite(whole)))
    sizes = np.abs(picture[np.isfinite(picture)])
    peak = float(sizes.max(initial=0.0))
    reach = float(np.quantile(sizes, 0.999)) if sizes.size else 0.0
    return Still((picture / (peak or 1.0)).astype(np.float16), peak, reach or peak, nonfinite)


def _shades(still: Still, reach: float) -> Array:
    share = np.clip(still.picture.astype(np.float32) * (still.peak / reach), -1, 1)
    return np.asarray(np.round(128 + 127 * np.nan_to_num(share)).astype(np.uint8))


def layers_of(page: Page, matrix: Matrix) -> list[Matrix]:
    """The same matrix in every layer."""
    return [other for other in matrices(page) if other.name == matrix.name]


def histogram_steps(page: Page, matrix: Matrix) -> list[int]:
    """The steps whose histograms a panel holds: fewer than its matrices where there are many layers."""
    layers = layers_of(page, matrix)
    read = 4 * min(matrix.shape[0] * matrix.shape[1], MOST_SAMPLED) * len(layers)
    # Counting costs some ten times what reading does, so the budget in bytes is a tenth.
    return sorted({*affordable(page.steps, matrix, 10 * read), settled(page.view)})


def histograms(page: Page, matrix: Matrix, steps: Sequence[int]) -> Histograms:
    """How the weights are spread, layer by layer."""
    layers, kept = layers_of(page, matrix), kept_of(page, "histogram", matrix)
    fill(page, kept, [step for step in steps if step not in kept], lambda snapshot: _spread(snapshot, layers))
    found = {step: kept[step] for step in steps if kept[step] is not None}
    both = np.stack(list(found.values())) if found else np.zeros((0, 2, len(layers), MOST_BINS), np.float32)
    labels = [f"layer {layer.layer}" if layer.layer is not None else layer.name for layer in layers]
    rows = _sampled_rows(matrix)
    return Histograms(list(found), labels, both[:, 0], both[:, 1], len(rows) * matrix.shape[1],
                      matrix.shape[0] * matrix.shape[1])  # fmt: skip


def _sampled_rows(matrix: Matrix) -> list[int]:
    most = max(1, MOST_SAMPLED // matrix.shape[1])
    return list(map(int, np.unique(np.linspace(0, matrix.shape[0] - 1, min(most, matrix.shape[0])).round())))


def _spread(snapshot: Snapshot, layers: Sequence[Matrix]) -> Array:
    """float32 (2, layers, bins): centres and density, NaN beyond a layer's own bins."""
    made = np.full((2, len(layers), MOST_BINS), np.nan, np.float32)
    for k, layer in enumerate(layers):
        found = histogram(np.asarray(weights(snapshot, layer)[_sampled_rows(layer)], np.float32))
        bins = len(found.density)
        made[0, k, :bins] = (found.edges[1:] + found.edges[:-1]) / 2 if bins else np.nan
        made[1, k, :bins] = found.density
    return made
