"""Frames for the panels that follow the cursor: one typed array a panel, made once a run and cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import streamlit as st

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.snapshot import Snapshot
from strobe.ui.panel.kinds import Presence, presence
from strobe.ui.shell.components import MOST_BYTES
from strobe.ui.shell.cursor import settled
from strobe.ui.shell.page import Page
from strobe.views import tokens
from strobe.views.words import visible

MEAN: Final = "mean of probes"
MOST_MOVED: Final = 3_000_000
"""Bytes of a window that moves with the cursor: of all that a panel may hold, what travels while somebody waits."""
MOST_ATTENTION: Final = 100_000_000
"""Bytes of attention that one panel reads: beyond, fewer snapshots at a time, and of half as much in one snapshot the
first probe sequences."""
LINEAR_UP_TO: Final = 8
"""Positions up to which attention is shaded linearly; beyond it weights are small and a square root shows them."""


@dataclass(frozen=True)
class Frames:
    """`values[k]` belongs to `steps[k]`. `windowed`: only frames round the cursor fit. Where there is nothing to
    show, `steps` is empty and `reason` says why."""

    steps: list[int]
    values: np.ndarray[Any, Any]
    labels: list[str]
    windowed: bool = False
    span: tuple[int, int] = (0, 0)
    """The first and the last of the steps that were tried, also where these cannot be read."""
    reason: str = ""
    remark: str = ""
    """What was left out, as a sentence that ends with a space; empty where nothing was."""


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


def nothing(reason: str) -> Frames:
    return Frames([], np.zeros(0, np.uint8), [], reason=reason)


def attention_presence(page: Page, found: Frames) -> Presence:
    """`presence`, and the span of the frames."""
    tried = [step for step in page.steps if found.span[0] <= step <= found.span[1]]
    return presence(page.view, tried, found.steps, span=found.span, windowed=found.windowed)


def evenly(steps: Sequence[int], most: int) -> list[int]:
    """All steps, or `most` >= 2 of them with both ends, evenly spaced by index."""
    if len(steps) <= most:
        return list(steps)
    return [steps[k] for k in np.linspace(0, len(steps) - 1, most).round().astype(int)]


def window(steps: Sequence[int], step: int, bytes_each: int) -> tuple[list[int], bool]:
    """All steps where their frames fit into 8 MB, else those nearest to `step` by index that fit into 3 MB; and
    whether these are fewer than all."""
    if len(steps) * bytes_each <= MOST_BYTES:
        return list(steps), False
    room = max(1, MOST_MOVED // bytes_each)
    at = sum(1 for other in steps if other <= step) - 1
    # Windows move by half their width, so that a short walk stays inside one and its cached frames.
    half = max(1, room // 2)
    start = max(0, at // half * half - (room - half) // 2)
    start = min(start, len(steps) - room)
    return list(steps[start : start + room]), True


def attention(page: Page, probe: str) -> Frames:
    """Attention weights at each snapshot, or at those round the cursor: uint8 (frame, layer, head, query, key), 1 =
    weight 0, 255 = weight 1; 0 where the key comes after the query and is masked. Beyond 8 positions the square root
    of the weight."""
    steps, windowed = window(page.steps, settled(page.view), _bytes_each(attention_shape(page)))
    return _attention(*page.reader.key, page.run, tuple(steps), windowed, probe, page)


def attention_at(page: Page, probe: str, steps: Sequence[int]) -> Frames:
    """The same at the given steps."""
    return _attention(*page.reader.key, page.run, tuple(steps), False, probe, page)


def _bytes_each(shape: tuple[int, int, int, int, int]) -> int:
    """What a frame counts for in the bytes of a panel: its own, or its share in what may be read for all of them."""
    layers, _, heads, queries, keys = shape
    own = layers * heads * queries * keys
    return max(own, 4 * own * _probes_read(shape) * MOST_BYTES // MOST_ATTENTION)


def _probes_read(shape: tuple[int, int, int, int, int]) -> int:
    """How many probe sequences the mean is over: all, or the first of very large ones."""
    layers, probes, heads, queries, keys = shape
    return max(1, min(probes, MOST_ATTENTION // 2 // max(1, 4 * layers * heads * queries * keys)))


@st.cache_resource(max_entries=64, show_spinner=False)
def _shape(key: str, version: str, run: str, name: str, _page: Page) -> tuple[int, ...] | None:
    del key, version
    files = snapshots_of(_page, run)
    if files is None:
        return None
    specs = {tensor["name"]: tensor["shape"] for tensor in files.manifest.raw["snapshot"]["tensors"]}
    return tuple(specs[name]) if name in specs else None


@st.cache_resource(max_entries=24, show_spinner="Reading attention …")
def _attention(
    key: str, version: str, run: str, steps: tuple[int, ...], windowed: bool, probe: str, _page: Page
) -> Frames:
    del key, version
    files = snapshots_of(_page, run)
    kept: list[int] = []
    found: list[np.ndarray[Any, Any]] = []
    labels: list[str] = []
    shape = attention_shape(_page)
    if files is None:
        return nothing("The snapshots of this run are not on this machine.")
    if not shape[0]:
        return nothing("This run recorded no attention: the section “attention” holds it.")
    read = _probes_read(shape) if probe == MEAN else shape[1]
    remark = f"Mean of the first {read} of {shape[1]} probe sequences. " if read < shape[1] else ""
    paths = files.current()
    for at in steps:
        try:
            snapshot = files.open(paths[at])
            found.append(_one_probe(snapshot.values("attention/att")[:, :read], probe))
            kept.append(at)
            labels = labels or _labels(files, snapshot, probe, shape[-1])
        except (StrobeError, OSError, KeyError):
            # A damaged snapshot costs its own frame; the panel says which step it shows instead.
            continue
    if not kept:
        which = "No snapshot around this step" if windowed else "No snapshot of this run"
        return replace(nothing(f"{which} can be read: `strobe verify` names what is damaged."), windowed=windowed)
    return Frames(kept, np.stack(found), labels, windowed, (steps[0], steps[-1]), remark=remark)


def _one_probe(att: np.ndarray[Any, Any], probe: str) -> np.ndarray[Any, Any]:
    weights = np.asarray(att, np.float32)
    one = weights.mean(axis=1) if probe == MEAN else weights[:, int(probe)]
    shares = np.clip(np.nan_to_num(one), 0, 1)
    if shares.shape[-1] > LINEAR_UP_TO:
        shares = np.sqrt(shares)
    shades = 1 + np.round(shares * 254).astype(np.uint8)
    ahead = np.triu(np.ones(shades.shape[-2:], bool), k=1)
    return np.where(ahead, np.uint8(0), shades)


def attention_shape(page: Page) -> tuple[int, int, int, int, int]:
    """layer, probe, head, query, key; zeros where no attention was recorded."""
    shape = _shape(*page.reader.key, page.run, "attention/att", page) if page.steps else None
    layers, probes, heads, queries, keys = shape if shape is not None and len(shape) == 5 else (0, 0, 0, 0, 0)
    return layers, probes, heads, queries, keys


def attention_layers(page: Page) -> int:
    """How many layers recorded their attention; 0 where none did."""
    return attention_shape(page)[0]


def probes(page: Page) -> list[str]:
    """The choices of the attention panel: the mean, then each probe sequence by number."""
    shape = attention_shape(page)
    return [MEAN, *(str(k) for k in range(shape[1]))] if shape[0] else []


def _labels(files: Run, snapshot: Snapshot, probe: str, length: int) -> list[str]:
    if probe != MEAN and "probe/tokens" in snapshot:
        return [token_name(files, int(token)) for token in snapshot["probe/tokens"][int(probe)][:length]]
    return tokens.position_names(files.manifest.task, length)


def token_name(files: Run, token: int) -> str:
    """The display name of a token, safe to print."""
    return visible(tokens.token_name(files.manifest.task, token))
