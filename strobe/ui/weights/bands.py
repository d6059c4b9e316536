"""How far from the diagonal the weight of a matrix lies: at the cursor, and over training."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.analysis.banding import band_profile
from strobe.charts.curves import Curves, Series, curves
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, downloads, panel
from strobe.ui.panel.kinds import Line, ProfilePanel, presence
from strobe.ui.panel.marks import step_marks
from strobe.ui.panel.settled import FEW
from strobe.ui.shell.page import Page
from strobe.ui.weights import frames
from strobe.ui.weights.frames import Matrix
from strobe.views.run_view import Answer

POINTS: Final = 96
"""Of the profile: distances are grouped so that there are no more."""
INSIDE: Final = {"10": "within 10% of the width", "25": "within 25%", "50": "within 50%"}

Array = np.ndarray[Any, Any]


def draw(page: Page, matrix: Matrix, here: Any, there: Any) -> None:
    """The profile at the cursor in the container `here`, the shares near the diagonal over training in `there`."""
    even = frames.affordable(page.steps, matrix)
    steps, energy, entries = _bands(page, matrix, frames.wanted(page, matrix))
    with here:
        panel.title("Distance from the diagonal, at the cursor")
        if not steps:
            panel.caption("No snapshot of this matrix has a band profile: it is all zero, not finite, or unreadable.")
            return
        _profile(page, matrix, steps, energy, entries)
    with there:
        panel.title("Near the diagonal over training")
        # Without the step of the cursor, so that the lines stay as they are while it moves.
        own = [k for k, step in enumerate(steps) if step in set(even)]
        _over_training(page, matrix, [steps[k] for k in own], energy[own])


def _over_training(page: Page, matrix: Matrix, steps: list[int], energy: Array) -> None:
    inside, rows = np.cumsum(energy, axis=1), []
    for percent in INSIDE:
        at = max(0, round(int(percent) / 100 * energy.shape[1]) - 1)
        rows += [
            {"step": step, "series": percent, "value": float(value)}
            for step, value in zip(steps, inside[:, at], strict=True)
        ]
    schema = pa.schema([("step", pa.int64()), ("series", pa.string()), ("value", pa.float64())])
    answer = Answer(_source(matrix), pa.Table.from_pylist(rows, schema), 0.0)
    looks = {name: Series(words, SERIES[k]) for k, (name, words) in enumerate(INSIDE.items())}
    about = "Share of the squared weights near the diagonal (row number and column number compared as they are)."
    derived.lines(page.view, "bands", answer, looks, y_title="share of energy", share=True, about=about,
                         marks=step_marks(page))  # fmt: skip


def _source(matrix: Matrix) -> str:
    return f"-- read from the snapshots: params/{matrix.name}"


def _profile(page: Page, matrix: Matrix, steps: list[int], energy: Array, entries: Array) -> None:
    """The mean square at each distance over that of the whole matrix: 1 without structure."""
    each = -(-energy.shape[1] // POINTS)
    starts = np.arange(0, energy.shape[1], each)
    counts = np.add.reduceat(entries, starts)
    density = np.add.reduceat(energy, starts, axis=1) * entries.sum() / counts
    ends = np.append(starts[1:], energy.shape[1])
    x = ((starts + ends - 1) / 2).astype(np.float32)
    some = len(frames.wanted(page, matrix)) < len(page.steps)
    header = ProfilePanel(
        subject=f"bands {page.run} {matrix.label}", run=page.run, steps=steps, count=len(x), log=False, height=200,
        lines=[Line("mean square", SERIES[0])], x_name="distance",
        presence=presence(page.view, frames.wanted(page, matrix), steps, sampled=some),
        alt=f"Mean square weight of {matrix.label} by distance from the diagonal at the step of the cursor",
    )  # fmt: skip
    panel.show("band_profile", header, {"x": x, "y": density.astype(np.float32)})

    def table(at: int) -> pa.Table:
        return pa.table({"distance": x.astype(float), "mean_square": density[at]})

    def figure(at: int) -> Curves:
        series = Series(matrix.label, SERIES[0])
        drawn = pa.table({"series": [series.label] * len(x), "x": x.astype(float), "y": density[at]})
        return curves(
            drawn, [series], x_title="distance from the diagonal", y_title="relative mean square", log=False
        )

    grouped = f" Each point holds {each} distances." if each > 1 else ""
    text = f"Mean squared weight at |row − column| over that of the whole matrix: 1 without structure.{grouped}"
    downloads.draw(page, "band_profile", text, steps, _source(matrix), table, figure)


def _bands(page: Page, matrix: Matrix, wanted: Sequence[int]) -> tuple[list[int], Array, Array]:
    """Those of the wanted steps that have a profile, the energy (steps, distances), and the entries (distances,)."""
    kept = frames.kept_of(page, "bands", matrix)
    missing = [step for step in wanted if step not in kept]
    with st.spinner("Measuring bands …") if len(missing) > FEW else nullcontext():
        frames.fill(page, kept, missing, lambda snapshot: band_profile(frames.weights(snapshot, matrix)))
    found = {step: kept[step] for step in wanted if kept[step] is not None and np.isfinite(kept[step].energy).all()}
    if not found:
        return [], np.zeros((0, 0)), np.zeros(0)
    energy = np.stack([profile.energy for profile in found.values()])
    return list(found), energy, next(iter(found.values())).entries
