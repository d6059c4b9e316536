"""How far from the diagonal the weight of a matrix lies: at the cursor, and over training."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pyarrow as pa
import streamlit as st

from strobe.charts.curves import Curves, Series, curves
from strobe.charts.theme import SERIES
from strobe.ui.panel import derived, downloads, panel
from strobe.ui.panel.kinds import Line, ProfilePanel, presence
from strobe.ui.panel.marks import step_marks
from strobe.ui.panel.settled import FEW
from strobe.ui.shell.cursor import settled
from strobe.ui.weights import kept
from strobe.views.bands import INSIDE, BandProfiles
from strobe.views.matrices import WeightMatrix
from strobe.views.run_view import Answer, RunView
from strobe.views.weights import affordable, wanted


def panels(view: RunView, matrix: WeightMatrix, at_cursor: Any, over_training: Any) -> None:
    """The profile at the cursor, and the shares near the diagonal over training, each in its container."""
    steps = wanted(view, matrix, settled(view))
    missing = kept.missing(kept.profiles(view, matrix), steps)
    with st.spinner("Measuring bands …") if len(missing) > FEW else nullcontext():
        measured = kept.band_frames(view, matrix, steps)
    with at_cursor:
        panel.title("Distance from the diagonal, at the cursor")
        if measured.reason:
            panel.caption(measured.reason)
            return
        _profile(view, matrix, measured, steps)
    with over_training:
        panel.title("Near the diagonal over training")
        _over_training(view, matrix, measured)


def _over_training(view: RunView, matrix: WeightMatrix, measured: BandProfiles) -> None:
    # Without the step of the cursor, so that the lines stay as they are while it moves.
    answer = Answer(_source(matrix), measured.inside(affordable(view, matrix)))
    looks = {name: Series(words, SERIES[k]) for k, (name, words) in enumerate(INSIDE.items())}
    about = "Share of the squared weights near the diagonal (row number and column number compared as they are)."
    derived.lines(
        view, "bands", answer, looks, y_title="share of energy", share=True, about=about, marks=step_marks(view)
    )


def _source(matrix: WeightMatrix) -> str:
    return f"-- read from the snapshots: params/{matrix.name}"


def _profile(view: RunView, matrix: WeightMatrix, measured: BandProfiles, tried: list[int]) -> None:
    """The mean square at each distance over that of the whole matrix: 1 without structure."""
    x, density = measured.distances(), measured.density()
    header = ProfilePanel(
        subject=f"bands {view.run} {matrix.label}", run=view.run, steps=measured.steps, count=len(x), log=False,
        height=200, lines=[Line("mean square", SERIES[0])], x_name="distance",
        presence=presence(view, tried, measured.steps, sampled=len(tried) < len(view.steps)),
        alt=f"Mean square weight of {matrix.label} by distance from the diagonal at the step of the cursor",
    )  # fmt: skip
    panel.show("band_profile", header, {"x": x, "y": density.astype("float32")})

    def table(at: int) -> pa.Table:
        return pa.table({"distance": x.astype(float), "mean_square": density[at]})

    def figure(at: int) -> Curves:
        series = Series(matrix.label, SERIES[0])
        drawn = pa.table({"series": [series.label] * len(x), "x": x.astype(float), "y": density[at]})
        return curves(
            drawn, [series], x_title="distance from the diagonal", y_title="relative mean square", log=False
        )

    name = f"params/{matrix.name}"
    grouped = f" Each point holds {measured.grouped} distances." if measured.grouped > 1 else ""
    text = f"Mean squared weight at |row − column| over that of the whole matrix: 1 without structure.{grouped}"
    downloads.offer(view, "band_profile", text, measured.steps, _source(matrix), table, figure, [name])
