"""How activations move with depth and step: normalisation statistics, active units, the residual stream."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from etl.errors import StrobeError
from strobe.analysis.neurons import unit_states
from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, panel
from strobe.ui.panel.frames import evenly, snapshots_of
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell import address
from strobe.ui.shell.page import Page
from strobe.views.run_view import Answer, literal

QUANTITIES: Final = {
    "active": (
        "Active units",
        "share of the training batch's positions at which a unit's pre-activation is above 0, mean of the layer",
    ),
    "dead": ("Dead units", "units that are active at no position of the step's training batch"),
    "always_on": ("Always-on units", "units that are active at every position of the step's training batch"),
    "residual_rms": ("Residual", "root mean square of the residual stream after the layer"),
    "ln1_mean": ("LayerNorm 1 mean", "mean that the first LayerNorm subtracts"),
    "ln1_rstd": ("LayerNorm 1 scale", "one over the standard deviation that the first LayerNorm sees"),
    "ln2_mean": ("LayerNorm 2 mean", "mean that the second LayerNorm subtracts"),
    "ln2_rstd": ("LayerNorm 2 scale", "one over the standard deviation that the second LayerNorm sees"),
    "lnf_mean": ("Final LayerNorm mean", "mean that the LayerNorm before the unembedding subtracts"),
    "lnf_rstd": (
        "Final LayerNorm scale",
        "one over the standard deviation that the LayerNorm before the unembedding sees",
    ),
    "stream": (
        "Residual on the probe",
        "root mean square of the recorded residual stream: the embedding, then each layer",
    ),
}
_SIGNED: Final = ("ln1_mean", "ln2_mean", "lnf_mean")
MOST_STEPS: Final = 1000
"""Snapshots that are opened; of more, evenly spaced ones, and the page says so."""
_UNITS: Final = ("active", "dead", "always_on")


def draw(page: Page) -> None:
    """The chosen quantity by layer and step: a heatmap, and lines as well where the layers are few."""
    answer = _all(page) if page.steps else None
    present = [] if answer is None else [name for name in QUANTITIES if name in set(answer.table["name"].to_pylist())]
    with panel.head("activations"):
        panel.title("Activations, layer by layer")
        if present:
            address.offer("activation", present, present[0])
            st.selectbox(
                "Quantity", present, key="activation", label_visibility="collapsed", width=200,
                persist_state="session", format_func=lambda name: QUANTITIES[name][0],
            )  # fmt: skip
    if not present or answer is None:
        panel.caption(
            "This run recorded no activations: the sections “activations” and “residual” of its snapshots hold them."
        )
        return
    chosen = address.remember("activation", st.session_state["activation"], present[0])
    title, words = QUANTITIES[chosen]
    table = answer.table.filter(pc.equal(answer.table["name"], chosen))
    own = Answer(answer.sql, table, 0.0)
    names = list(dict.fromkeys(table["series"].to_pylist()))
    about = f"{words[0].upper()}{words[1:]}."
    if len(page.steps) > MOST_STEPS and chosen != "stream":
        about += f" Read at {MOST_STEPS:,} of {len(page.steps):,} snapshots."
    if len(names) > 1:
        rows = Answer(own.sql, table.rename_columns(["name", "row", "step", "value"]), 0.0)
        derived.grid(page.view, "activation_grid", rows, names, quantity=title.lower(), row_height=18, about=about,
                            signed=chosen in _SIGNED)  # fmt: skip
    if len(names) <= address.MOST_RUNS:
        looks = {name: Series(name, SERIES[k % len(SERIES)], dash=k >= len(SERIES)) for k, name in enumerate(names)}
        about = "The same as lines." if len(names) > 1 else about
        derived.lines(page.view, "activation_lines", own, looks, y_title=title.lower(), about=about,
                             marks=step_marks(page))  # fmt: skip


def _all(page: Page) -> Answer:
    """What the snapshots' section `activations` holds, and what the tables know of the section `residual`."""
    read = _read(*page.reader.key, page.run, page)
    stream = page.reader.ask(f"""SELECT 'stream' AS name,
  CASE WHEN layer IS NULL THEN 'embedding' ELSE 'layer ' || layer END AS series, step, l2 / sqrt(n) AS value
FROM tensors WHERE run = {literal(page.run)} AND section = 'residual' AND l2 IS NOT NULL
ORDER BY layer NULLS FIRST, step""")
    schema = read.table.schema
    return Answer(f"{read.sql}\n{stream.sql}", pa.concat_tables([read.table, stream.table.cast(schema)]), 0.0)


@st.cache_resource(max_entries=16, show_spinner="Reading activations …")
def _read(key: str, version: str, run: str, _page: Page) -> Answer:
    """name, series (the layer), step, value, from the section `activations` of every snapshot."""
    del key, version
    files = snapshots_of(_page, run)
    rows: list[dict[str, Any]] = []
    paths = files.current() if files is not None else {}
    for step in evenly(_page.steps, MOST_STEPS):
        try:
            rows += _of(files.open(paths[step]), step) if files is not None else []
        except (StrobeError, OSError, KeyError):
            continue
    schema = pa.schema(
        [("name", pa.string()), ("series", pa.string()), ("step", pa.int64()), ("value", pa.float64())]
    )
    return Answer("-- read from the snapshots: section activations", pa.Table.from_pylist(rows, schema), 0.0)


def _of(snapshot: Any, step: int) -> list[dict[str, Any]]:
    found: dict[str, Any] = {}
    for name in QUANTITIES:
        if f"activations/{name}" in snapshot:
            found[name] = np.asarray(snapshot.values(f"activations/{name}"), np.float64)
    if "activations/unit_active" in snapshot:
        active = np.asarray(snapshot.values("activations/unit_active"), np.float64)
        states = unit_states(active)
        found |= dict(zip(_UNITS, (active.mean(axis=-1), states.dead, states.always_on), strict=True))
    return [
        {
            "name": name,
            "series": "model" if name.startswith("lnf") else f"layer {layer}",
            "step": step,
            "value": float(value) if np.isfinite(value) else None,
        }
        for name, values in found.items()
        for layer, value in enumerate(np.atleast_1d(values))
    ]
