"""Neurons over all inputs a, b of a model that adds modulo p: the clearest ones together, and any one large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from etl.errors import StrobeError
from strobe.analysis.fourier import SPECIALISED
from strobe.charts.tiles import Tiles
from strobe.derive.subject import Subject
from strobe.ui.panel import downloads, panel
from strobe.ui.panel.frames import evenly, modulus, snapshots_of
from strobe.ui.panel.kinds import TilesPanel, presence
from strobe.ui.panel.settled import at_once
from strobe.ui.shell import address
from strobe.ui.shell.components import MOST_BYTES
from strobe.ui.shell.cursor import settled
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import number
from strobe.views.budget import MOST_INPUTS
from strobe.views.run_view import literal

TILES: Final = 12
"""Neurons whose activation grids are drawn together."""
MOST_FRAMES: Final = 40
"""Snapshots whose grids are computed: a forward pass over all p * p inputs each."""
MOST_NAMED: Final = 4096
"""Neurons that can be picked; of more, those with the largest shares."""

Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def _last(page: Page) -> str:
    """Rows of the last analysed snapshot that has a share."""
    return f"""FROM neurons WHERE run = {literal(page.run)} AND share IS NOT NULL
  AND step = (SELECT max(step) FROM neurons WHERE run = {literal(page.run)})"""


def draw(page: Page, left: Any, right: Any) -> None:
    """The clearest neurons of every frequency in the container `left`, a picked one in `right`; the settled step is
    shown before the others are computed."""
    with left:
        panel.title("Neurons over all inputs (a down, b across)")
    inputs, reason = _inputs(page)
    every = [] if reason else _named(page)
    if not every:
        with left:
            panel.caption(reason or "No neuron varies over the inputs in the last snapshot.")
        return
    clearest = page.reader.rows(f"""SELECT layer, neuron, frequency, share FROM (
  SELECT *, row_number() OVER (PARTITION BY frequency ORDER BY share DESC) AS place {_last(page)}
) ORDER BY share < {SPECIALISED}, place, frequency LIMIT {TILES}""")
    with right:
        picked = _pick(every)
    even = evenly(page.steps, max(2, min(MOST_FRAMES, MOST_BYTES // (len(clearest) * inputs))))
    steps, here = sorted({*even, settled(page.view)}), settled(page.view)
    together, alone = (_kept(*page.reader.key, page.run, which) for which in ("", _id(picked)))
    places = left.empty(), right.empty()

    def show(whole: bool) -> None:
        for step in steps if whole else [here]:
            if step not in together or step not in alone:
                # One forward pass serves both.
                made = _activations(page, step)
                together.setdefault(step, _grids(made, clearest))
                alone.setdefault(step, _grids(made, [picked]))
        with places[0].container():
            _tiles(page, [step for step in steps if together.get(step) is not None], together, clearest, whole)
        with places[1].container():
            _one(page, [step for step in steps if alone.get(step) is not None], alone, picked, whole)

    at_once([step for step in steps if step not in together or step not in alone], show)()


def _named(page: Page) -> list[Row]:
    return page.reader.rows(
        f"SELECT layer, neuron, frequency, share {_last(page)} ORDER BY share DESC, layer, neuron LIMIT {MOST_NAMED}"
    )


def _id(row: Row) -> str:
    return f"{row['layer']}.{row['neuron']}"


def _pick(every: list[Row]) -> Row:
    """The neuron that is drawn large."""
    named, layers = {_id(row): row for row in every}, any(row["layer"] for row in every)
    first = next(iter(named))
    address.offer("neuron", list(named), first)
    with panel.head("one_neuron"):
        panel.title("One neuron at the cursor")
        st.selectbox(
            "Neuron", list(named), key="neuron", persist_state="session", width=300, label_visibility="collapsed",
            format_func=lambda name: f"{_name(named[name], layers)} ({number(named[name]['share'], 2)} at the end)",
        )  # fmt: skip
    return named[address.remember("neuron", st.session_state["neuron"], first)]


def _inputs(page: Page) -> tuple[int, str]:
    """p * p, and why the model is not run on them; empty where it can be."""
    p = modulus(page) if page.steps else None
    if p is None or snapshots_of(page, page.run) is None:
        return 0, "The snapshots of this run are not on this machine; its tables are."
    if p * p > MOST_INPUTS:
        return p * p, f"Not computed: {p * p:,} inputs are more than the {MOST_INPUTS:,} that are run here."
    return p * p, ""


@dataclass(frozen=True)
class _Grids:
    """`tiles` uint8 (neurons, p, p), each neuron from its `low` to its `high` activation, (neurons,)."""

    tiles: Array
    low: Array
    high: Array


@st.cache_resource(max_entries=24, show_spinner=False)
def _kept(key: str, version: str, run: str, which: str) -> dict[int, _Grids | None]:
    """Step -> the grids of the clearest neurons, or of the one named `which`; None where the step cannot be run."""
    del key, version, run, which
    return {}


def _activations(page: Page, step: int) -> Array | None:
    """float16 (layers, p * p, neurons) of one snapshot; None where it cannot be run."""
    return _run(*page.reader.key, page.run, step, page)


@st.cache_resource(max_entries=2, show_spinner=False)
def _run(key: str, version: str, run: str, step: int, _page: Page) -> Array | None:
    del key, version
    files = snapshots_of(_page, run)
    if files is None:
        return None
    try:
        return Subject(files).forward(step).activation.astype(np.float16)
    except (StrobeError, OSError, KeyError):
        return None


def _grid(activations: Array, row: Row) -> Array:
    p = round(activations.shape[1] ** 0.5)
    return activations[row["layer"], :, row["neuron"]].reshape(p, p).astype(np.float32)


def _grids(activations: Array | None, chosen: Sequence[Row]) -> _Grids | None:
    if activations is None:
        return None
    grids = np.stack([_grid(activations, row) for row in chosen])
    low, high = grids.min(axis=(1, 2)), grids.max(axis=(1, 2))
    span = np.where(high > low, high - low, 1)
    tiles = np.round((grids - low[:, None, None]) / span[:, None, None] * 255).astype(np.uint8)
    return _Grids(tiles, low.astype(np.float32), high.astype(np.float32))


def _name(row: Row, layers: bool) -> str:
    return (f"layer {row['layer']} " if layers else "") + f"neuron {row['neuron']}, k = {row['frequency']}"


def _tiles(page: Page, steps: list[int], kept: dict[int, Any], chosen: list[Row], whole: bool) -> None:
    if not steps:
        panel.caption("No snapshot of this run can be run through the model.")
        return
    labels = [_name(row, any(other["layer"] for other in chosen)) for row in chosen]
    _show(page, "fourier_neurons", steps, kept, labels, whole, across=4, side=190)
    text = (
        f"The {len(labels)} neurons with the largest shares at the end, from every frequency; each has its own scale "
        "at each step."
    )
    _files(page, "fourier_neurons", text, steps, kept, chosen, labels, whole)


def _one(page: Page, steps: list[int], kept: dict[int, Any], row: Row, whole: bool) -> None:
    if not steps:
        return
    answer = page.reader.rows(f"""SELECT step, frequency, share FROM neurons
WHERE run = {literal(page.run)} AND layer = {row["layer"]} AND neuron = {row["neuron"]} AND share IS NOT NULL""")
    known = {found["step"]: f"k = {found['frequency']} holds {found['share']:.0%}, " for found in answer}
    words = []
    for step in steps:
        low, high = (number(float(end[0]), 2) for end in (kept[step].low, kept[step].high))
        words.append([f"{known.get(step, '')}activation {low} to {high}"])
    label = f"neuron {row['neuron']}" + (f" of layer {row['layer']}" if row["layer"] else "")
    _show(page, "fourier_one", steps, kept, [label], whole, across=1, side=420, frame_labels=words)
    text = (
        f"Best frequency of {label} and the share of its variance, at each step; at the end {row['frequency']} with "
        f"{row['share']:.0%}."
    )
    _files(page, "fourier_one", text, steps, kept, [row], [label], whole)


def _show(
    page: Page, key: str, steps: list[int], kept: dict[int, Any], labels: list[str], whole: bool,
    *, across: int, side: int, frame_labels: list[list[str]] | None = None,
) -> None:  # fmt: skip
    values = np.stack([kept[step].tiles for step in steps])
    p, some = values.shape[-1], len(steps) < len(page.steps)
    tried, shown = (list(kept), steps) if whole else ([], [])
    header = TilesPanel(
        subject=f"{key} {page.run} {labels[0]}", run=page.run, steps=steps, labels=labels, rows=p, columns=p,
        across=across, widest=side, tallest=side, low="least", high="most active", low_value=0, high_value=1,
        axes=("a", "b"), frame_labels=frame_labels,
        presence=presence(page.view, tried, shown, sampled=some and whole, partial=not whole),
        alt=f"Activation of {', '.join(labels)} over {p} by {p} inputs at the step of the cursor",
    )  # fmt: skip
    ranges = {end: np.stack([getattr(kept[step], end) for step in steps]) for end in ("low", "high")}
    panel.show(key if whole else f"{key}_first", header, {"values": values, **ranges})


def _files(
    page: Page, key: str, text: str, steps: list[int], kept: dict[int, Any], rows: list[Row], labels: list[str],
    whole: bool,
) -> None:  # fmt: skip
    if not whole:
        panel.caption(text + " Running the model at the other steps …")
        return
    if len(steps) < len(page.steps):
        text = f"Computed at {len(steps)} of {len(page.steps):,} snapshots, and where the cursor rests. {text}"

    def figure(at: int) -> Tiles:
        found = kept[steps[at]]
        ends = ("least", "most")
        if len(rows) == 1:
            ends = number(float(found.low[0]), 2), number(float(found.high[0]), 2)
        wide = 300 if len(rows) > 1 else 420
        return Tiles(found.tiles / 255, labels, ("activation", *ends), ("a", "b"), min(4, len(rows)), wide)

    source = "-- computed from the snapshot under the cursor: a forward pass over all inputs"
    downloads.draw(page, key, text, steps, source, lambda at: _table(kept[steps[at]], rows), figure)


def _table(found: _Grids, rows: Sequence[Row]) -> pa.Table:
    """layer, neuron, a, b, activation (to one part in 255 of the neuron's range)."""
    span = (found.high - found.low)[:, None, None]
    values = found.low[:, None, None] + found.tiles / np.float32(255) * span
    which, a, b = (axis.ravel() for axis in np.indices(found.tiles.shape))
    layer, neuron = (np.array([row[name] for row in rows])[which] for name in ("layer", "neuron"))
    return pa.table({"layer": layer, "neuron": neuron, "a": a, "b": b, "activation": values.ravel()})
