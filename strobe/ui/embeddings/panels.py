"""The panels of the Embeddings page: tokens on two axes at every step, on three, and how round they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from etl.errors import StrobeError
from strobe.analysis.fourier import basis
from strobe.analysis.geometry import frequency_round
from strobe.analysis.projection import circularity, pca_movie
from strobe.charts.curves import Series
from strobe.charts.theme import CYCLIC, SEQUENTIAL, SERIES
from strobe.ui.embeddings import neighbour_jobs
from strobe.ui.fourier.panels import keys
from strobe.ui.panel import derived, model, panel
from strobe.ui.panel.frames import (
    colour_places,
    colour_words,
    evenly,
    modulus,
    snapshots_of,
    token_name,
)
from strobe.ui.panel.kinds import EmbeddingPanel, presence
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell import address
from strobe.ui.shell.components import MOST_BYTES
from strobe.ui.shell.page import Page
from strobe.views.run_view import Answer

MOST_TOKENS: Final = 2048
"""Rows that are drawn; of more, evenly spaced ones, and the page says so."""
MOST_READ: Final = 500_000_000
TENSORS: Final = {"wte": "Tokens (wte)", "wpe": "Positions (wpe)", "unembed": "Unembedding"}
LAST: Final = "last"
JOINT: Final = "joint"
TSNE: Final = "tsne"
UMAP: Final = "umap"
FREE: Final = (LAST, JOINT, TSNE, UMAP)
"""Views that belong to no frequency."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Movie:
    """`points` float32 (steps, rows, 3): along the axes of the view; `explained` (steps,): the share of variance in
    the plane of the first two; `round` (steps,): the circularity there. `rows` are the row numbers that are shown;
    `chance` is the circularity that random rows get in a view chosen from themselves, NaN where not measured."""

    steps: list[int]
    points: Array
    explained: Array
    round: Array
    rows: list[int]
    total: int
    labels: list[str]
    reason: str = ""
    chance: float = float("nan")


def names(page: Page) -> list[str]:
    """The embeddings that the run recorded."""
    files = snapshots_of(page, page.run) if page.steps else None
    there = {tensor["name"] for tensor in files.manifest.raw["snapshot"]["tensors"]} if files is not None else set()
    return [name for name in TENSORS if f"params/{name}" in there]


def controls(page: Page, present: list[str]) -> tuple[str, str]:
    """Which embedding, and seen along which axes."""
    p = modulus(page)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        address.offer("embedding", present, present[0])
        st.segmented_control("Embedding", present, key="embedding", required=True, persist_state="session",
                             format_func=lambda name: TENSORS[name])  # fmt: skip
        name = address.remember("embedding", st.session_state["embedding"], present[0])
        views = [LAST, JOINT, TSNE, UMAP, *(_frequencies(page, p) if p and _whole(page, name) else [])]
        address.offer("axes", views, LAST)
        st.selectbox("Axes", views, key="axes", persist_state="session", width=330, format_func=_axes_words)
        view = address.remember("axes", st.session_state["axes"], LAST)
    return name, view


def _whole(page: Page, name: str) -> bool:
    """Whether every residue has its row on the page: a circle needs all of them, in order."""
    return name != "wpe" and _shape(page, name)[0] <= MOST_TOKENS


def _frequencies(page: Page, p: int) -> list[str]:
    """Every frequency, the key ones first."""
    found = keys(page)
    return [str(k) for k in [*found, *(k for k in range(1, p // 2 + 1) if k not in found)]]


def _axes_words(view: str) -> str:
    words = {
        LAST: "principal axes of the last snapshot", JOINT: "principal axes of all snapshots together",
        TSNE: "t-SNE, each step aligned with the one before", UMAP: "UMAP of all snapshots together (aligned)",
    }  # fmt: skip
    return words.get(view, f"circle of frequency {view}")


def movie(page: Page, name: str, view: str) -> Movie | None:
    """The embedding at every snapshot along fixed axes, on the sine and cosine of one frequency, or by t-SNE or UMAP:
    None while that is not computed yet, with the way to it on the page."""
    if view not in (TSNE, UMAP):
        return _movie(*page.reader.key, page.run, name, view, page)
    read = _read(*page.reader.key, page.run, name, neighbour_jobs.MOST_FRAMES, page)
    if not read.steps or read.frames.shape[1] < 5:
        return _nothing("A map of neighbours needs at least five rows that can be read.")
    made = neighbour_jobs.result(read.frames, view)
    if made is None:
        return None
    points = np.pad(made, ((0, 0), (0, 0), (0, 1)))
    around = np.array([circularity(frame[:, :2]) for frame in points])
    explained = np.full(len(points), np.nan)
    return Movie(read.steps, points, explained, around, read.rows, read.total, read.labels)


@dataclass(frozen=True)
class _Read:
    """An embedding as it was read: `frames` float32 (steps, rows, d)."""

    steps: list[int]
    frames: Array
    rows: list[int]
    total: int
    labels: list[str]


@st.cache_resource(max_entries=6, show_spinner="Reading embeddings …")
def _read(key: str, version: str, run: str, name: str, most: int, _page: Page) -> _Read:
    del key, version
    files = snapshots_of(_page, run)
    steps, frames, rows, total = [], [], [], 0
    paths = files.current() if files is not None else {}
    for step in _affordable(_page, name, most):
        try:
            whole = files.open(paths[step]).values(f"params/{name}") if files is not None else None
            if whole is None:
                continue
            total = len(whole)
            rows = np.unique(np.linspace(0, total - 1, min(total, MOST_TOKENS)).round().astype(int)).tolist()
            shown = np.asarray(whole[rows], np.float32)
        except (StrobeError, OSError, KeyError):
            continue
        if np.isfinite(shown).all():
            steps.append(step)
            frames.append(shown)
    if files is None or not steps:
        return _Read([], np.zeros((0, 0, 0), np.float32), [], 0, [])
    labels = [token_name(files, row) if name != "wpe" else str(row) for row in rows]
    return _Read(steps, np.stack(frames), rows, total, labels)


@st.cache_resource(max_entries=12, show_spinner="Projecting embeddings …")
def _movie(key: str, version: str, run: str, name: str, view: str, _page: Page) -> Movie:
    read = _read(key, version, run, name, 10**9, _page)
    if not read.steps or min(read.frames.shape[1:]) < 2:
        return _nothing("No snapshot of this embedding can be read, or none of it is finite.")
    points, explained = _seen(read.frames, view, modulus(_page))
    order = _order(view, modulus(_page), len(read.rows))
    around = np.array(
        [circularity(frame[: len(order) if order is not None else None, :2], order) for frame in points]
    )
    chance = _chance(read.frames.shape[1:], view, modulus(_page), order)
    shown = points.astype(np.float32)
    return Movie(read.steps, shown, explained, around, read.rows, read.total, read.labels, chance=chance)


def _chance(shape: tuple[int, ...], view: str, p: int | None, order: Array | None) -> float:
    """The circularity of Gaussian noise of this shape in the same kind of view, which picks its plane from the points
    themselves: what a circle must be rounder than."""
    random, scores = np.random.default_rng(0), []
    for _ in range(3):
        points, _explained = _seen(random.normal(size=(1, *shape)).astype(np.float32), view, p)
        scores.append(circularity(points[0][: len(order) if order is not None else None, :2], order))
    return float(np.mean(scores))


def _nothing(reason: str) -> Movie:
    empty = np.zeros(0)
    return Movie([], empty, empty, empty, [], 0, [], reason)


def _shape(page: Page, name: str) -> list[int]:
    files = snapshots_of(page, page.run)
    tensors = files.manifest.raw["snapshot"]["tensors"] if files is not None else []
    return next((tensor["shape"] for tensor in tensors if tensor["name"] == f"params/{name}"), [1, 1])


def _affordable(page: Page, name: str, limit: int) -> list[int]:
    shape = _shape(page, name)
    rows = min(shape[0], MOST_TOKENS)
    most = max(2, min(MOST_READ // (4 * rows * shape[1]), MOST_BYTES // (8 * rows)))
    return evenly(page.steps, min(most, limit))


def _seen(frames: Array, view: str, p: int | None) -> tuple[Array, Array]:
    """(steps, rows, 3) along the axes of the view, and the share of variance in the first two."""
    if view in (LAST, JOINT) or p is None:
        count = min(3, *frames.shape[1:])
        made = pca_movie(frames, count, -1 if view == LAST else "joint")
        flat = pca_movie(frames, 2, -1 if view == LAST else "joint")
        return np.pad(made.frames, ((0, 0), (0, 0), (0, 3 - count))), flat.explained
    return _circle(frames, int(view), p)


def _circle(frames: Array, k: int, p: int) -> tuple[Array, Array]:
    """Residues on the plane that the embedding's cos and sin components of frequency k span at each step.

    The first axis is the direction of the cosine component, so the picture turns only where the model turns.
    """
    waves, residues = basis(p), frames[:, :p].astype(np.float64)
    residues = residues - residues.mean(axis=1, keepdims=True)
    plane = waves.matrix[waves.frequency == k] @ residues
    points = np.zeros((*frames.shape[:2], 3))
    explained = np.zeros(len(frames))
    for i, (rows, pair) in enumerate(zip(residues, plane, strict=True)):
        axes = np.linalg.qr(pair.T)[0]
        axes = axes * np.where(np.einsum("dk,kd->k", axes, pair) < 0, -1.0, 1.0)
        seen = rows @ axes
        points[i, :p, : seen.shape[1]] = seen
        total = (rows**2).sum()
        explained[i] = (seen**2).sum() / total if total else np.nan
    points[:, p:] = np.nan
    return points, explained


def _order(view: str, p: int | None, rows: int) -> Array | None:
    """Each residue's place round the circle of the frequency that is looked at."""
    if view in FREE or p is None or rows < p:
        return None
    return np.asarray(int(view) * np.arange(p) % p)


def turn_of_view(found: Movie, view: str, p: int | None) -> int:
    """By how many times their number residues are coloured: the frequency of the view, or of the last picture."""
    if view not in FREE:
        return int(view)
    return frequency_round(found.points[-1], p) if p and len(found.rows) == found.total else 1


def scatter(page: Page, name: str, view: str, found: Movie) -> None:
    """The points at the cursor; play moves them."""
    n, p = len(found.rows), modulus(page)
    cyclic = p is not None and name != "wpe"
    key = turn_of_view(found, view, p if cyclic else None)
    places = colour_places(found.rows, found.total, p if cyclic else None, key)
    header = EmbeddingPanel(
        subject=f"{page.run} {name} {view}", run=page.run, steps=found.steps, labels=found.labels,
        label_every=max(10, n // 10) if n > 16 else 1, colours=list(CYCLIC if cyclic else SEQUENTIAL), height=560,
        presence=presence(page.view, lack="not projected"), places=places,
        alt=f"{n} rows of {name} on two axes, at the step of the cursor",
    )  # fmt: skip
    panel.show("embeddings", header, {"points": np.ascontiguousarray(found.points[:, :, :2]).astype(np.float16)})
    cut = f"{n:,} of {found.total:,} rows, evenly spaced. " if n < found.total else ""
    words = _axes_words(view)
    if view in (LAST, JOINT):
        words += ", kept for all steps"
    elif view not in FREE:
        words += ": the plane of its cosine and sine, found anew at each step"
    text = f"{cut}{words[0].upper()}{words[1:]}. Colour: {colour_words(p if cyclic else None, key)}."
    model.points_tools(page, "embeddings", found.steps, found.points, found.labels, text, turn=key)


def roundness(page: Page, view: str, found: Movie) -> None:
    """Circularity and explained variance of the same plane over training."""
    panel.title("How round, and how much of it is seen")
    columns = {"circularity": found.round, "explained": found.explained}
    rows = [
        {"step": step, "series": name, "value": float(value) if np.isfinite(value) else None}
        for name, values in columns.items()
        for step, value in zip(found.steps, values, strict=True)
    ]
    schema = pa.schema([("step", pa.int64()), ("series", pa.string()), ("value", pa.float64())])
    answer = Answer("-- read from the snapshots: the embedding", pa.Table.from_pylist(rows, schema), 0.0)
    looks = {"circularity": Series("circularity", SERIES[2]), "explained": Series("variance in the plane", SERIES[0])}
    what = "in the order k·x mod p" if view not in FREE else "in whatever order"
    about = f"Circularity: 1 where the points lie on one circle {what}, 0 for a line."
    if np.isfinite(found.chance):
        about += f" Random rows get {found.chance:.2f} in a plane chosen from themselves: compare with that."
    elif view in (TSNE, UMAP):
        about += " A round cloud scores as well, about 0.6: look at the map too."
    derived.lines(page.view, "roundness", answer, looks, y_title="share", share=True, height=240, about=about,
                         marks=step_marks(page))  # fmt: skip
