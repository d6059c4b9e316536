"""Neurons over all inputs a, b of a model that adds modulo p: the clearest ones together, and any one large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from etl.errors import StrobeError
from strobe.analysis.fourier import SPECIALISED
from strobe.charts.tiles import Tiles
from strobe.derive.subject import Subject
from strobe.ui import panels, state
from strobe.ui.at_once import Later, at_once, follow_server, index, settled
from strobe.ui.components import MOST_BYTES
from strobe.ui.data import literal
from strobe.ui.frame import Frame
from strobe.ui.frames import modulus, snapshots_of
from strobe.ui.text import number

TILES: Final = 12
"""Neurons whose activation grids are drawn together."""
MOST_FRAMES: Final = 40
"""Snapshots whose grids are computed: a forward pass over all p * p inputs each."""
MOST_INPUTS: Final = 100_000
MOST_NAMED: Final = 4096
"""Neurons that can be picked; of more, those with the largest shares."""

Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def _last(page: Frame) -> str:
    """Rows of the last analysed snapshot that has a share."""
    return f"""FROM neurons WHERE run = {literal(page.run)} AND share IS NOT NULL
  AND step = (SELECT max(step) FROM neurons WHERE run = {literal(page.run)})"""


def grids(page: Frame) -> Later:
    """The clearest neurons of every key frequency at the cursor; what is returned adds the other steps."""
    panels.title("Neurons over all inputs (a down, b across)")
    inputs, reason = _inputs(page)
    if reason:
        panels.caption(reason)
        return lambda: None
    chosen = page.reader.rows(f"""SELECT layer, neuron, frequency, share FROM (
  SELECT *, row_number() OVER (PARTITION BY frequency ORDER BY share DESC) AS place {_last(page)}
) ORDER BY share < {SPECIALISED}, place, frequency LIMIT {TILES}""")
    if not chosen:
        panels.caption("No neuron varies over the inputs in the last snapshot.")
        return lambda: None
    kept = _kept(page.reader.key, page.reader.version, page.run)
    even, most = page.steps, max(2, min(MOST_FRAMES, MOST_BYTES // (len(chosen) * inputs)))
    if len(even) > most:
        even = [even[k] for k in np.linspace(0, len(even) - 1, most).round().astype(int)]
    steps = sorted({*even, settled(page)})

    def draw(whole: bool) -> None:
        for step in steps if whole else [settled(page)]:
            if step not in kept:
                kept[step] = _scaled(_activations(page, step), chosen)
        _tiles(page, [step for step in steps if kept.get(step) is not None], kept, chosen, whole)

    return at_once([step for step in steps if step not in kept], draw)


def _inputs(page: Frame) -> tuple[int, str]:
    """p * p, and why the model is not run on them; empty where it can be."""
    p = modulus(page) if page.steps else None
    if p is None or snapshots_of(page, page.run) is None:
        return 0, "The snapshots of this run are not on this machine; its tables are."
    if p * p > MOST_INPUTS:
        return p * p, f"Not computed: {p * p:,} inputs are more than the {MOST_INPUTS:,} that are run here."
    return p * p, ""


@st.cache_resource(max_entries=8, show_spinner=False)
def _kept(key: str, version: str, run: str) -> dict[int, Array | None]:
    """Step -> uint8 (neurons, p, p), each neuron from its least to its largest activation; None where unreadable."""
    del key, version, run
    return {}


def _activations(page: Frame, step: int) -> Array | None:
    """float16 (layers, p * p, neurons) of one snapshot; None where it cannot be run."""
    return _run(page.reader.key, page.reader.version, page.run, step, page)


@st.cache_resource(max_entries=2, show_spinner=False)
def _run(key: str, version: str, run: str, step: int, _page: Frame) -> Array | None:
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


def _scaled(activations: Array | None, chosen: Sequence[Row]) -> Array | None:
    if activations is None:
        return None
    tiles = np.stack([_grid(activations, row) for row in chosen])
    low, high = tiles.min(axis=(1, 2), keepdims=True), tiles.max(axis=(1, 2), keepdims=True)
    span = np.where(high > low, high - low, 1)
    return np.asarray(np.round((tiles - low) / span * 255).astype(np.uint8))


def _name(row: Row, layers: bool) -> str:
    return (f"layer {row['layer']} " if layers else "") + f"neuron {row['neuron']}, k = {row['frequency']}"


def _tiles(page: Frame, steps: list[int], kept: dict[int, Any], chosen: list[Row], whole: bool) -> None:
    if not steps:
        panels.caption("No snapshot of this run can be run through the model.")
        return
    values = np.stack([kept[step] for step in steps])
    labels = [_name(row, any(other["layer"] for other in chosen)) for row in chosen]
    some = len(steps) < len(page.steps)
    if some and whole:
        follow_server()
    header = _header(page, "neurons", steps, values, labels, across=4, side=190) | {"sampled": some}
    panels.show("fourier_neurons" if whole else "fourier_neurons_first", header, {"values": values})
    text = (
        f"The {len(labels)} neurons with the largest shares at the end, from every frequency; each has its own scale "
        "at each step."
    )
    if not whole:
        panels.caption(text + " Running the model at the other steps …")
        return
    if some:
        text = f"Computed at {len(steps)} of {len(page.steps):,} snapshots, and where the cursor rests. {text}"
    at = index(page, steps)
    source = f"-- computed from the snapshot of step {steps[at]:,}: a forward pass over all inputs"
    scale = (f"{page.run}, step {steps[at]:,}: activation", "least", "most")
    panels.tools(
        "fourier_neurons", text, [source], lambda: _table(page, steps[at], chosen),
        lambda: Tiles(values[at] / 255, labels, scale, ("a", "b")),
    )  # fmt: skip


def _header(
    page: Frame, what: str, steps: list[int], values: Array, labels: list[str], *, across: int, side: int
) -> Any:
    p = values.shape[-1]
    return {
        "kind": "tiles", "subject": f"{what} {page.run}", "follows": True, "run": page.run, "steps": steps,
        "labels": labels, "rows": p, "columns": p, "across": across, "widest": side, "tallest": side,
        "map": "sequential", "low": "least", "high": "most active", "low_value": 0, "high_value": 1,
        "row_bin": 1, "column_bin": 1, "axes": ["a", "b"], "windowed": False,
        "alt": f"Activation of {', '.join(labels)} over {p} by {p} inputs at the step of the cursor",
    }  # fmt: skip


def _table(page: Frame, step: int, chosen: Sequence[Row]) -> pa.Table:
    """layer, neuron, a, b, activation at one step, not scaled."""
    found = _activations(page, step)
    grids = [] if found is None else [(row, _grid(found, row)) for row in chosen]
    a, b = (axis.ravel() for axis in np.indices(grids[0][1].shape)) if grids else (np.zeros(0, int), np.zeros(0, int))
    return pa.table({
        "layer": np.repeat([row["layer"] for row, _ in grids], len(a)),
        "neuron": np.repeat([row["neuron"] for row, _ in grids], len(a)),
        "a": np.tile(a, len(grids)), "b": np.tile(b, len(grids)),
        "activation": np.concatenate([grid.ravel() for _, grid in grids] or [np.zeros(0, np.float32)]),
    })  # fmt: skip


def one(page: Frame) -> None:
    """One neuron, large, at the settled step, with its frequency and share there and at the end."""
    every = page.reader.rows(
        f"SELECT layer, neuron, frequency, share {_last(page)} ORDER BY share DESC, layer, neuron LIMIT {MOST_NAMED}"
    )
    if not every or _inputs(page)[1]:
        return
    named = {f"{row['layer']}.{row['neuron']}": row for row in every}
    first, layers = next(iter(named)), any(row["layer"] for row in every)
    state.offer("neuron", list(named), first)
    with panels.head("one_neuron"):
        panels.title("One neuron at the cursor")
        st.selectbox(
            "Neuron", list(named), key="neuron", persist_state="session", width=300, label_visibility="collapsed",
            format_func=lambda name: f"{_name(named[name], layers)} ({number(named[name]['share'], 2)} at the end)",
        )  # fmt: skip
    row = named[state.remember("neuron", st.session_state["neuron"], first)]
    follow_server()
    step = settled(page)
    activations = _activations(page, step)
    if activations is None:
        panels.caption(f"The snapshot of step {step:,} cannot be run through the model.")
        return
    values = _scaled(activations, [row])
    assert values is not None
    own = _grid(activations, row)
    label = _name(row, layers).partition(",")[0]
    header = _header(page, f"one {label}", [step], values[None], [label], across=1, side=420) | {
        "low": number(float(own.min()), 2), "high": number(float(own.max()), 2), "sampled": True,
        "low_value": float(own.min()), "high_value": float(own.max()),
    }  # fmt: skip
    panels.show("fourier_one", header, {"values": values[None]})
    _words(page, row, step, label, values, own)


def _words(page: Frame, row: Row, step: int, label: str, values: Array, own: Array) -> None:
    here = page.reader.rows(f"""SELECT frequency, share FROM neurons
WHERE run = {literal(page.run)} AND layer = {row["layer"]} AND neuron = {row["neuron"]} AND step = {step}""")
    now = here[0] if here and here[0]["share"] is not None else None
    text = f"Step {step:,}: " + (
        f"best frequency {now['frequency']}, which holds {now['share']:.0%} of its variance" if now
        else "no frequency, since it does not vary or the step is not analysed"
    )  # fmt: skip
    text += f"; at the end {row['frequency']} with {row['share']:.0%}. Unscaled activation, a forward pass a step."
    source = f"-- computed from the snapshot of step {step:,}: a forward pass over all inputs"
    scale = (f"{page.run}, step {step:,}: activation", number(float(own.min()), 2), number(float(own.max()), 2))
    figure: Callable[[], Any] = lambda: Tiles(values / 255, [label], scale, ("a", "b"), across=1, widest=420)  # noqa: E731
    panels.tools("fourier_one", text, [source], lambda: _table(page, step, [row]), figure)
