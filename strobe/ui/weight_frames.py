"""Frames of one weight matrix for panels that follow the cursor: the matrix itself, binned, and its histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import streamlit as st

from etl.errors import StrobeError
from strobe.charts.binning import MOST_CELLS, binned
from strobe.ui.components import MOST_BYTES
from strobe.ui.frame import Frame
from strobe.ui.frames import snapshots_of

MOST_READ: Final = 500_000_000
"""Bytes of weights that one panel reads: of larger runs, evenly spaced snapshots."""
BINS: Final = 61

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Matrix:
    """One matrix of a run that can be looked at."""

    name: str
    layer: int | None
    shape: tuple[int, int]

    @property
    def label(self) -> str:
        return self.name if self.layer is None else f"{self.name}.{self.layer}"


@dataclass(frozen=True)
class WeightFrames:
    """`values` uint8 (steps, rows, columns), 128 = 0, 1 and 255 = -/+ `reach`; `shares` float32 (steps, BINS) of the
    weights between `edges`, the outer bins holding what lies beyond."""

    steps: list[int]
    values: Array
    reach: float
    bins: tuple[int, int]
    shares: Array
    edges: Array
    nonfinite: int
    reason: str = ""


def matrices(page: Frame) -> list[Matrix]:
    """Every weight matrix of the run, layer by layer; none where there are no snapshots at hand."""
    return _matrices(page.reader.key, page.reader.version, page.run, page)


@st.cache_resource(max_entries=64, show_spinner=False)
def _matrices(key: str, version: str, run: str, _page: Frame) -> list[Matrix]:
    del key, version
    files = snapshots_of(_page, run)
    found = []
    for tensor in files.manifest.raw["snapshot"]["tensors"] if files is not None else []:
        if tensor["section"] != "params":
            continue
        name, shape, layered = tensor["name"].partition("/")[2], tensor["shape"], tensor["dims"][0] == "layer"
        if len(shape) - layered == 2:
            layers = range(shape[0]) if layered else [None]
            found += [Matrix(name, layer, (shape[-2], shape[-1])) for layer in layers]
    return found


def frames(page: Frame, matrix: Matrix) -> WeightFrames:
    """The matrix at every snapshot (or at evenly spaced ones where that would read too much)."""
    return _frames(page.reader.key, page.reader.version, page.run, matrix, page)


@st.cache_resource(max_entries=12, show_spinner="Reading weights …")
def _frames(key: str, version: str, run: str, matrix: Matrix, _page: Frame) -> WeightFrames:
    del key, version
    files = snapshots_of(_page, run)
    steps, pictures, raw = [], [], []
    nonfinite, bins = 0, (1, 1)
    if files is not None:
        paths = files.current()
        for step in affordable(_page.steps, matrix):
            try:
                values = files.open(paths[step]).values(f"params/{matrix.name}")
                whole = np.asarray(values if matrix.layer is None else values[matrix.layer], np.float32)
            except (StrobeError, OSError, KeyError):
                continue
            picture, bins = binned(whole)
            nonfinite += int(np.count_nonzero(~np.isfinite(whole)))
            steps.append(step)
            pictures.append(picture.astype(np.float32))
            raw.append(_counts(whole))
    if not steps:
        return _nothing("No snapshot of this matrix can be read.")
    stacked = np.stack(pictures)
    finite = np.abs(stacked[np.isfinite(stacked)])
    reach = float(np.quantile(finite, 0.999)) if finite.size else 0.0
    if reach == 0:
        return _nothing("Every weight of this matrix is 0 or not finite, at every snapshot.")
    shade = np.nan_to_num(np.clip(stacked / reach, -1, 1))
    edges, shares = _histograms(raw)
    return WeightFrames(steps, np.round(128 + 127 * shade).astype(np.uint8), reach, bins, shares, edges, nonfinite)


def _nothing(reason: str) -> WeightFrames:
    empty = np.zeros(0, np.uint8)
    return WeightFrames([], empty, 0.0, (1, 1), empty, empty, 0, reason)


def affordable(steps: list[int], matrix: Matrix) -> list[int]:
    """All steps, or evenly spaced ones with both ends: what can be read, and what a panel may hold."""
    cells = min(matrix.shape[0], MOST_CELLS) * min(matrix.shape[1], MOST_CELLS)
    most = max(2, min(MOST_READ // (4 * matrix.shape[0] * matrix.shape[1]), MOST_BYTES // cells))
    if len(steps) <= most:
        return steps
    return [steps[k] for k in np.linspace(0, len(steps) - 1, most).round().astype(int)]


_FINE: Final = 2048
"""Bins of the first, relative count: the final ones are chosen once the whole range over training is known."""


def _counts(whole: Array) -> tuple[float, Array]:
    """The largest absolute weight, and the count in each of 2,048 equal bins between its negative and it."""
    finite = whole[np.isfinite(whole)]
    top = float(np.abs(finite).max(initial=0.0)) or 1.0
    counts, _ = np.histogram(finite, _FINE, (-top, top))
    return top, counts


def _histograms(raw: list[tuple[float, Array]]) -> tuple[Array, Array]:
    """Edges (BINS + 1,) that hold 99.9% of the widest snapshot's weights, and each snapshot's shares in them."""
    reach = max(_reach(top, counts) for top, counts in raw)
    edges = np.linspace(-reach, reach, BINS + 1)
    shares = np.zeros((len(raw), BINS), np.float32)
    for k, (top, counts) in enumerate(raw):
        centres = (np.arange(_FINE) + 0.5) / _FINE * 2 * top - top
        place = np.clip(np.searchsorted(edges, centres) - 1, 0, BINS - 1)
        shares[k] = np.bincount(place, counts, BINS) / max(1, counts.sum())
    return edges, shares


def _reach(top: float, counts: Array) -> float:
    """How far from 0 one must go to hold 99.9% of the weights."""
    folded = counts[_FINE // 2 :] + counts[: _FINE // 2][::-1]
    inside = np.cumsum(folded) >= 0.999 * folded.sum()
    return float((int(np.argmax(inside)) + 1) / len(folded) * top)
