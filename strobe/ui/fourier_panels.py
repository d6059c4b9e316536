"""The panels of the Fourier page: which frequencies a network that adds modulo p computes with, and since when."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import streamlit as st

from etl.errors import StrobeError
from strobe.analysis.fourier import SPECIALISED
from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.ui import derived_panels, panels
from strobe.ui.data import literal
from strobe.ui.frame import Frame
from strobe.ui.frames import Frames, nothing, snapshots_of
from strobe.ui.moments import step_marks
from strobe.ui.text import count, number

TILES: Final = 12
"""Neurons whose activation grids are drawn."""
MOST_FRAMES: Final = 40
"""Snapshots whose grids are computed: a forward pass over all p * p inputs each."""


def _power(page: Frame, site: str) -> str:
    return f"""SELECT frequency::VARCHAR AS row, step, sqrt(sum(value * value)) AS value
FROM fourier WHERE run = {literal(page.run)} AND site = {literal(site)} AND frequency > 0
GROUP BY frequency, step ORDER BY frequency, step"""


def keys(page: Frame) -> list[int]:
    """The key frequencies: those of specialised neurons of the last analysed snapshot."""
    rows = page.reader.rows(f"""SELECT DISTINCT frequency FROM neurons
WHERE run = {literal(page.run)} AND share >= {SPECIALISED}
  AND step = (SELECT max(step) FROM neurons WHERE run = {literal(page.run)})
ORDER BY frequency""")
    return [row["frequency"] for row in rows]


def story(page: Frame) -> None:
    """The end of the run in one sentence of numbers."""
    neurons = page.reader.rows(f"""SELECT count(*) AS n, count(*) FILTER (share >= {SPECIALISED}) AS special
FROM neurons WHERE run = {literal(page.run)}
  AND step = (SELECT max(step) FROM neurons WHERE run = {literal(page.run)})""")[0]
    losses = {
        (row["measure"], row["split"]): row["value"]
        for row in page.reader.rows(f"""SELECT measure, split, value FROM progress
WHERE run = {literal(page.run)} AND frequency IS NULL
  AND step = (SELECT max(step) FROM progress WHERE run = {literal(page.run)})""")
    }
    found = keys(page)
    parts = [
        f"{count(neurons['special'])} of {count(neurons['n'])} neurons specialise (share at least {SPECIALISED})"
    ]
    parts[0] += f" on {len(found)} key frequencies: {', '.join(map(str, found))}." if found else "; no key frequency."
    if found:
        parts.append(
            f"With those alone the loss is {number(losses.get(('restricted_loss', 'all')))} nats "
            f"(all of the model: {number(losses.get(('full_loss', 'all')))}); without them it is "
            f"{number(losses.get(('excluded_loss', 'train')))} on the training set."
        )
    panels.say(" ".join(parts))


def spectrum(page: Frame) -> None:
    """The embedding's norm at each frequency and step."""
    panels.title("Embedding: frequency by step")
    answer = page.reader.ask(_power(page, "embedding"))
    rows = [str(k) for k in sorted({int(name) for name in answer.table["row"].to_pylist()})]
    about = "Norm of the sine and cosine components of the token embedding, log scale."
    derived_panels.grid(page, "fourier_grid", answer, rows, quantity="norm", row_height=max(7, 400 // len(rows)),
                        about=about)  # fmt: skip


def at_cursor(page: Frame) -> None:
    """The same as bars, for the snapshot under the cursor; key frequencies are coloured."""
    panels.title("Embedding at the cursor")
    answer = page.reader.ask(_power(page, "embedding"))
    steps = np.unique(answer.table["step"].to_numpy())
    values = answer.table["value"].cast("float32").to_numpy().reshape(-1, len(steps)).T
    found = keys(page)
    header: dict[str, Any] = {
        "kind": "bars", "subject": f"bars {page.run}", "follows": True, "run": page.run, "steps": steps.tolist(),
        "labels": [str(k + 1) for k in range(values.shape[1])], "marked": [k - 1 for k in found], "height": 250,
        "colour": SERIES[2], "what": "frequency", "quantity": "norm", "windowed": False, "shift": page.shift,
        "alt": f"Norm of {values.shape[1]} frequencies of the embedding at the step of the cursor",
    }  # fmt: skip
    panels.show(f"fourier_bars{page.suffix}", header, {"values": np.ascontiguousarray(values)})
    panels.tools(
        f"fourier_bars{page.suffix}", "Green: the key frequencies.", [answer.sql], lambda: answer.table, None
    )


def losses(page: Frame) -> None:
    """Full, restricted and excluded loss over training."""
    panels.title("Loss with and without the key frequencies")
    answer = page.reader.ask(f"""SELECT measure || coalesce(' ' || split, '') AS series, step, value
FROM progress WHERE run = {literal(page.run)} AND frequency IS NULL
  AND (measure, split) IN (('full_loss', 'train'), ('full_loss', 'val'), ('restricted_loss', 'all'),
                           ('excluded_loss', 'train'))
ORDER BY series, step""")
    looks = {
        "full_loss val": Series("test", SERIES[0]), "full_loss train": Series("train", SERIES[1]),
        "restricted_loss all": Series("restricted (key frequencies alone)", SERIES[2]),
        "excluded_loss train": Series("excluded (without them, train)", SERIES[5]),
    }  # fmt: skip
    about = "The key frequencies are those of the last snapshot, at every step."
    derived_panels.lines(
        page, "fourier_losses", answer, looks, y_title="loss (nats)", log=True, height=270, marks=step_marks(page),
        about=about,
    )  # fmt: skip


def gini(page: Frame) -> None:
    """How unequal the embeddings' components are."""
    panels.title("Sparsity in frequency (Gini)")
    answer = page.reader.ask(f"""SELECT measure AS series, step, value FROM progress
WHERE run = {literal(page.run)} AND measure LIKE 'gini%' ORDER BY series, step""")
    looks = {"gini_embedding": Series("embedding", SERIES[0]), "gini_unembedding": Series("unembedding", SERIES[5])}
    about = "0: all components alike; near 1: a few hold everything."
    derived_panels.lines(page, "fourier_gini", answer, looks, y_title="Gini", share=True, about=about,
                         marks=step_marks(page))  # fmt: skip


def clusters(page: Frame) -> None:
    """How many neurons belong to each key frequency, over training."""
    panels.title("Specialised neurons by frequency")
    found = keys(page)
    answer = page.reader.ask(f"""SELECT n.frequency::VARCHAR AS series, step,
  count(*) FILTER (share >= {SPECIALISED}) AS value
FROM neurons n WHERE run = {literal(page.run)} AND frequency IS NOT NULL
GROUP BY ALL ORDER BY series, step""")
    looks = {str(k): Series(f"frequency {k}", SERIES[i % len(SERIES)]) for i, k in enumerate(found)}
    if not found:
        panels.caption(f"No neuron has a share of {SPECIALISED} in the last snapshot.")
        return
    derived_panels.lines(
        page, "fourier_clusters", answer, looks, y_title="neurons", marks=step_marks(page),
        about=f"Neurons whose best frequency holds at least {SPECIALISED} of their variance.",
    )  # fmt: skip


def grids(page: Frame) -> None:
    """Activation of single neurons over all inputs a, b, at the cursor."""
    panels.title("Neurons over all inputs (a down, b across)")
    found = _grids(page.reader.key, page.reader.version, page.run, page)
    if not found.steps:
        panels.caption(found.reason)
        return
    p = found.values.shape[-1]
    header = {
        "kind": "tiles", "subject": f"neurons {page.run}", "follows": True, "run": page.run, "steps": found.steps,
        "labels": found.labels, "rows": p, "columns": p, "across": 6, "widest": 190, "tallest": 190,
        "map": "sequential", "low": "least", "high": "most active", "low_value": 0, "high_value": 1,
        "row_bin": 1, "column_bin": 1,
        "axes": ["a", "b"], "windowed": False,
        "alt": f"Activation of {len(found.labels)} neurons over {p} by {p} inputs at the step of the cursor",
    }  # fmt: skip
    panels.show("fourier_neurons", header, {"values": found.values})
    every = (
        f"Computed at {len(found.steps)} of {len(page.steps)} snapshots. "
        if len(found.steps) < len(page.steps)
        else ""
    )
    panels.caption(
        f"{every}The {len(found.labels)} neurons with the largest shares at the end, from all key frequencies; "
        "each neuron has its own scale at each step."
    )


@st.cache_resource(max_entries=8, show_spinner="Running the model on all inputs …")
def _grids(key: str, version: str, run: str, _page: Frame) -> Frames:
    from strobe.derive.subject import Subject

    del key, version
    files = snapshots_of(_page, run)
    if files is None:
        return nothing("The snapshots of this run are not on this machine; its tables are.")
    chosen = _page.reader.rows(f"""SELECT layer, neuron, frequency, share FROM (
  SELECT *, row_number() OVER (PARTITION BY frequency ORDER BY share DESC) AS place
  FROM neurons WHERE run = {literal(run)} AND share IS NOT NULL
    AND step = (SELECT max(step) FROM neurons WHERE run = {literal(run)})
) ORDER BY share < {SPECIALISED}, place, frequency LIMIT {TILES}""")
    subject = Subject(files)
    steps = subject.steps
    if len(steps) > MOST_FRAMES:
        steps = [steps[k] for k in np.linspace(0, len(steps) - 1, MOST_FRAMES).round().astype(int)]
    kept, found = [], []
    for step in steps:
        try:
            found.append(_tiles(subject, step, chosen))
            kept.append(step)
        except (StrobeError, OSError):
            continue
    if not kept:
        return nothing("No snapshot of this run can be run through the model.")
    labels = [f"neuron {row['neuron']}, k = {row['frequency']}" for row in chosen]
    return Frames(kept, np.stack(found), labels)


def _tiles(subject: Any, step: int, chosen: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """uint8 (neurons, p, p), each from its least to its largest activation."""
    p, activation = subject.modular.modulus, subject.forward(step).activation
    tiles = np.stack([activation[row["layer"], :, row["neuron"]].reshape(p, p) for row in chosen])
    low, high = tiles.min(axis=(1, 2), keepdims=True), tiles.max(axis=(1, 2), keepdims=True)
    span = np.where(high > low, high - low, 1)
    return np.asarray(np.round((tiles - low) / span * 255).astype(np.uint8))
