"""Frames for the panels that follow the cursor: one typed array a panel, made once a run and cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import streamlit as st

from etl.errors import StrobeError
from etl.run.folder import Run
from strobe.charts import tokens
from strobe.ui.shell.components import MOST_BYTES
from strobe.ui.shell.page import Page
from strobe.views.words import visible

MOST_TOKENS: Final = 2048
MOST_MOVED: Final = 3_000_000
"""Bytes of a window that moves with the cursor: of all that a panel may hold, what travels while somebody waits."""
MOST_EMBEDDING: Final = 500_000_000
"""Bytes of embeddings that one panel reads: beyond, evenly spaced snapshots."""


@dataclass(frozen=True)
class Frames:
    """`values[k]` belongs to `steps[k]`. Where there is nothing to show, `steps` is empty and `reason` says why."""

    steps: list[int]
    values: np.ndarray[Any, Any]
    labels: list[str]
    reason: str = ""


def snapshots_of(page: Page, run: str) -> Run | None:
    """The run's snapshots, or None where they are not on this machine or cannot be read."""
    try:
        folder = page.reader.run(run).folder
        return Run(folder) if folder is not None else None
    except (StrobeError, OSError):
        return None


def modulus(page: Page) -> int | None:
    """p of a run that adds modulo p, else None."""
    files = snapshots_of(page, page.run)
    task = files.manifest.task if files is not None else {}
    value = task.get("modulus") if task.get("kind") == "modular_addition" else None
    return value if isinstance(value, int) and value >= 3 else None


def colour_places(rows: Sequence[int], total: int, p: int | None, turn: int = 1) -> list[float]:
    """Each row's place on the map of colours, 0..1: `turn` times the residue round the circle, -1 for a token that is
    no residue; without residues, by row number."""
    if p is None:
        return [row / max(1, total) for row in rows]
    return [(turn * row % p) / p if row < p else -1.0 for row in rows]


def colour_words(p: int | None, turn: int) -> str:
    """What `colour_places` stand for."""
    if p is None:
        return "row number"
    return f"{turn}·x mod {p}, in whose order residues x lie here" if turn > 1 else "residue, cyclic"


def nothing(reason: str) -> Frames:
    return Frames([], np.zeros(0, np.uint8), [], reason=reason)


def evenly(steps: Sequence[int], most: int) -> list[int]:
    """All steps, or `most` >= 2 of them with both ends, evenly spaced by index."""
    if len(steps) <= most:
        return list(steps)
    return [steps[k] for k in np.linspace(0, len(steps) - 1, most).round().astype(int)]


@st.cache_resource(max_entries=64, show_spinner=False)
def _shape(key: str, version: str, run: str, name: str, _page: Page) -> tuple[int, ...] | None:
    del key, version
    files = snapshots_of(_page, run)
    if files is None:
        return None
    specs = {tensor["name"]: tensor["shape"] for tensor in files.manifest.raw["snapshot"]["tensors"]}
    return tuple(specs[name]) if name in specs else None


def token_name(files: Run, token: int) -> str:
    """The display name of a token, safe to print."""
    return visible(tokens.token_name(files.manifest.task, token))


def embedding(page: Page) -> Frames:
    """Token embeddings on two principal axes of the last snapshot, for all frames: float16 (frame, token, 2)."""
    return _embedding(*page.reader.key, page.run, page)


def _projected(page: Page) -> int:
    """How many snapshots' embeddings are read and held: their points in float16, their rows in float32."""
    shape = _shape(*page.reader.key, page.run, "params/wte", page) or (1, 1)
    rows = min(shape[0], MOST_TOKENS)
    return max(2, min(MOST_BYTES // (4 * rows), MOST_EMBEDDING // (4 * rows * shape[-1])))


@st.cache_resource(max_entries=24, show_spinner="Projecting embeddings …")
def _embedding(key: str, version: str, run: str, _page: Page) -> Frames:
    from strobe.analysis.projection import principal_axes, project

    del key, version
    files = snapshots_of(_page, run)
    kept: list[int] = []
    found: list[np.ndarray[Any, Any]] = []
    if files is None:
        return nothing("The snapshots of this run are not on this machine; its tables are.")
    axes, paths = None, files.current()
    for at in reversed(evenly(_page.steps, _projected(_page))):
        try:
            snapshot = files.open(paths[at])
            if "params/wte" not in snapshot:
                return nothing("This run recorded no token embedding (params/wte).")
            rows = np.asarray(snapshot.values("params/wte")[:MOST_TOKENS], np.float32)
            axes = principal_axes(rows) if axes is None else axes
            found.append(project(rows, axes).astype(np.float16))
            kept.append(at)
        except (StrobeError, ValueError, OSError, KeyError):
            continue
    if not kept:
        return nothing("No embedding of this run can be projected: it is damaged, not finite, or too small.")
    labels = [token_name(files, token) for token in range(found[0].shape[0])]
    return Frames(kept[::-1], np.stack(found[::-1]), labels)
