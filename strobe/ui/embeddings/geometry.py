"""How the classes a + b mod p come apart inside the model: radius, spread and separation over training."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from etl.errors import StrobeError
from strobe.analysis.geometry import sum_classes
from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.derive.subject import NotApplicableError, Subject
from strobe.ui.fourier.neurons import MOST_INPUTS
from strobe.ui.panel import derived, panel
from strobe.ui.panel.frames import evenly, snapshots_of
from strobe.ui.panel.marks import step_marks
from strobe.ui.shell import address
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import number
from strobe.views.run_view import Answer

MOST_STEPS: Final = 40
"""Snapshots that are run through the model; of more, evenly spaced ones."""
_PER_OPERATION: Final = 1e-11
"""Seconds; a forward pass takes two operations a parameter and token."""
_LENGTHS: Final = {"radius": Series("radius", SERIES[1]), "spread": Series("spread", SERIES[0])}
_RATIOS: Final = {"snr": Series("spread² / radius²", SERIES[2]), "fisher": Series("Fisher, median pair", SERIES[5])}
_CIRCLE: Final = {
    "alignment": Series("in order round a circle", SERIES[2]), "circularity": Series("circularity", SERIES[0]),
}  # fmt: skip

Row = dict[str, Any]


def draw(page: Page, p: int | None) -> None:
    """The panel of a run that adds modulo p: off until it is asked for, since every step is a forward pass."""
    files = snapshots_of(page, page.run) if page.steps and p else None
    if files is None or p is None:
        return
    subject, steps, inputs = Subject(files), evenly(page.steps, MOST_STEPS), p * p
    with panel.head("geometry"):
        panel.title("Classes a + b mod p inside the model")
        if inputs <= MOST_INPUTS:
            st.toggle("Compute", key="geometry_on", persist_state="session")
    if inputs > MOST_INPUTS:
        panel.caption(f"Not computed: {inputs:,} inputs are more than the {MOST_INPUTS:,} that are run here.")
        return
    if not st.session_state.get("geometry_on"):
        cost = len(steps) * (0.1 + _PER_OPERATION * 2 * _weights(subject) * 3 * inputs)
        panel.caption(
            "Radius, spread and separation of the classes at “=”. Off, since it runs the model on all "
            f"{inputs:,} inputs at {len(steps)} snapshots: about {number(cost, 1)} s, once."
        )
        return
    try:
        sites = [f"after layer {layer}" for layer in range(subject.architecture.n_layer)]
    except NotApplicableError as error:
        panel.caption(f"Nothing to show for this run: {error}.")
        return
    site = len(sites) - 1
    if len(sites) > 1:
        address.offer("site", sites, sites[-1])
        st.segmented_control("Residual stream", sites, key="site", required=True, persist_state="session")
        site = sites.index(address.remember("site", st.session_state["site"], sites[-1]))
    rows = _rows(page, subject, steps, site)
    if rows:
        _lines(page, rows, f" after layer {site}" if len(sites) > 1 else "")
    else:
        panel.caption("No snapshot of this run can be run through the model: it lacks weights, or is damaged.")


def _weights(subject: Subject) -> int:
    """How many parameters the snapshots hold."""
    tensors = subject.run.manifest.raw["snapshot"]["tensors"]
    return sum(int(np.prod(tensor["shape"])) for tensor in tensors if tensor["section"] == "params")


@st.cache_resource(max_entries=16, show_spinner=False)
def _kept(key: str, version: str, run: str) -> dict[int, list[Row]]:
    """Step -> its values in every layer: filled as pages ask."""
    del key, version, run
    return {}


def _rows(page: Page, subject: Subject, steps: list[int], site: int) -> list[Row]:
    kept = _kept(*page.reader.key, page.run)
    missing, p = [step for step in steps if step not in kept], subject.modular.modulus
    place = st.empty()
    for done, step in enumerate(missing):
        place.progress(done / len(missing), f"Running the model: {done} of {len(missing)} snapshots")
        try:
            kept[step] = [sum_classes(residual, p)._asdict() for residual in subject.forward(step).residual]
        except (StrobeError, OSError):
            kept[step] = []
    place.empty()
    return [
        {"step": step, "series": name, "value": float(value) if np.isfinite(value) else None}
        for step in steps
        if kept[step]
        for name, value in kept[step][site].items()
    ]


def _lines(page: Page, rows: list[Row], where: str) -> None:
    schema = pa.schema([("step", pa.int64()), ("series", pa.string()), ("value", pa.float64())])
    sql = f"-- computed from the snapshots: the residual stream at “=”{where}, for all inputs"
    answer, marks = Answer(sql, pa.Table.from_pylist(rows, schema), 0.0), step_marks(page)
    first, second, third = st.columns(3, gap="medium")
    with first:
        derived.lines(
            page.view, "geometry_lengths", answer, _LENGTHS, y_title="distance", marks=marks,
            about="Root mean square distances: of inputs to their class's centroid, of centroids to their mean.",
        )  # fmt: skip
    with second:
        derived.lines(
            page.view, "geometry_ratios", answer, _RATIOS, y_title="ratio", log=True, marks=marks,
            about="Separation: squared distance between two centroids over the sum of the two classes' variances.",
        )  # fmt: skip
    with third:
        derived.lines(
            page.view, "geometry_circle", answer, _CIRCLE, y_title="share", share=True, marks=marks,
            about="Of the centroids on their two principal axes; noise of this shape scores about 0.05 on both.",
        )  # fmt: skip
