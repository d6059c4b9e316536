"""The panels of the Weights page: a matrix, its histogram and singular values at the cursor, its ranks over time."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.charts import moment
from strobe.charts.curves import Series
from strobe.charts.theme import SERIES
from strobe.derive.movies import Wanted
from strobe.ui import derived_panels, movie_button, panels, state
from strobe.ui.data import Answer, literal
from strobe.ui.frame import Frame
from strobe.ui.moments import step_marks
from strobe.ui.text import number
from strobe.ui.weight_frames import Matrix, WeightFrames, affordable, frames, matrices

MOST_VALUES: Final = 512
"""Singular values that bars can show; of more, the largest."""


def pick(page: Frame) -> Matrix | None:
    """The matrix that was chosen, from a select box; None, with a reason on the page, where there is none."""
    found = {matrix.label: matrix for matrix in matrices(page)} if page.steps else {}
    if not found:
        panels.caption("This run has no weight matrices to show: record snapshots with the section “params”.")
        return None
    first = next((name for name in found if name.startswith("fcw")), next(iter(found)))
    names = [first, *(name for name in found if name != first)]
    state.offer("matrix", names, first)
    st.selectbox("Matrix", sorted(names), key="matrix", persist_state="session", width=220)
    return found[state.remember("matrix", st.session_state["matrix"], first)]


def heatmap(page: Frame, matrix: Matrix, found: WeightFrames, *, key: str = "weights", tallest: int = 420) -> None:
    """The matrix at the cursor: blue below 0, red above, one scale for all steps."""
    rows, columns = found.values.shape[1:]
    header = {
        "kind": "tiles", "subject": f"{page.run} {matrix.label}", "follows": True, "run": page.run,
        "steps": found.steps, "labels": [matrix.label], "rows": rows, "columns": columns, "across": 1,
        "widest": 2 * tallest, "tallest": tallest, "map": "diverging", "low": f"−{number(found.reach, 2)}",
        "high": number(found.reach, 2), "low_value": -found.reach, "high_value": found.reach,
        "row_bin": found.bins[0], "column_bin": found.bins[1], "axes": ["row", "column"],
        "windowed": len(found.steps) < len(page.steps), "shift": page.shift,
        "alt": f"Weights of {matrix.label}, {matrix.shape[0]} by {matrix.shape[1]}, at the step of the cursor",
    }  # fmt: skip
    panels.show(key, header, {"values": found.values})
    text = f"{matrix.shape[0]:,} rows (outputs) by {matrix.shape[1]:,} columns (inputs)."
    if found.bins != (1, 1):
        text += f" Each cell is the mean of {found.bins[0]} by {found.bins[1]} weights."
    if len(found.steps) < len(page.steps):
        text += f" Read at {len(found.steps)} of {len(page.steps)} snapshots."
    if found.nonfinite:
        text += f" {found.nonfinite:,} weights are not finite."
    panels.caption(text + " Colours end at the 99.9th percentile of all steps.")


def histogram(page: Frame, matrix: Matrix, found: WeightFrames) -> None:
    """How the weights are spread at the cursor."""
    centres = (found.edges[1:] + found.edges[:-1]) / 2
    header = {
        "kind": "bars", "subject": f"histogram {page.run} {matrix.label}", "follows": True, "run": page.run,
        "steps": found.steps, "labels": [number(centre, 2) for centre in centres], "marked": [], "height": 220,
        "colour": SERIES[0], "what": "weights near", "quantity": "share", "windowed": False,
        "alt": f"Histogram of the weights of {matrix.label} at the step of the cursor",
    }  # fmt: skip
    panels.title("Weights at the cursor")
    panels.show("weight_histogram", header, {"values": found.shares})
    panels.caption(
        "Share of the weights in each bin; the bins hold 99.9% at every step, the outer two the rest as well."
    )


def _rows(page: Frame, matrix: Matrix) -> str:
    layer = "IS NULL" if matrix.layer is None else f"= {matrix.layer}"
    return f"""FROM spectra WHERE run = {literal(page.run)} AND tensor = {literal(matrix.name)}
  AND layer {layer} AND part = 'whole' AND head IS NULL"""


def singular_values(page: Frame, matrix: Matrix, *, key: str = "singular_values", height: int = 220) -> None:
    """The singular values at the cursor, largest first."""
    panels.title("Singular values at the cursor")
    answer = page.reader.ask(f"""SELECT step, singular_values[:{MOST_VALUES}] AS singular_values
{_rows(page, matrix)} AND singular_values IS NOT NULL ORDER BY step""")
    if not answer.table.num_rows:
        panels.caption("No singular values are stored for this matrix.")
        return
    values = np.stack([np.asarray(row, np.float32) for row in answer.table["singular_values"].to_pylist()])
    header = {
        "kind": "bars", "subject": f"spectrum {page.run} {matrix.label}", "follows": True, "run": page.run,
        "steps": answer.table["step"].to_pylist(), "labels": [str(k + 1) for k in range(values.shape[1])],
        "marked": [], "height": height, "colour": SERIES[0], "what": "singular value", "quantity": "value",
        "windowed": False, "shift": page.shift, "alt": f"Singular values of {matrix.label} at the step of the cursor",
    }  # fmt: skip
    panels.show(key, header, {"values": values})
    many = min(matrix.shape)
    text = f"The largest {MOST_VALUES} of {many:,}." if many > MOST_VALUES else f"All {many:,}, largest first."
    at = max((k for k, step in enumerate(answer.table["step"].to_pylist()) if step <= (page.step or 0)), default=0)
    names = [str(k + 1) for k in range(values.shape[1])]
    panels.tools(
        key, text, [answer.sql], lambda: answer.table,
        lambda: moment.bars(names, values[at], x_title="singular value", y_title="value"),
    )  # fmt: skip


def ranks(page: Frame, matrix: Matrix) -> None:
    """How many directions the matrix uses, over training."""
    panels.title("Ranks over training")
    answer = page.reader.ask(f"""SELECT step, name AS series, value
FROM (SELECT step, stable_rank, effective_rank, participation_ratio {_rows(page, matrix)})
UNPIVOT (value FOR name IN (stable_rank, effective_rank, participation_ratio))
ORDER BY series, step""")
    looks = {
        "effective_rank": Series("effective rank", SERIES[0]), "stable_rank": Series("stable rank", SERIES[1]),
        "participation_ratio": Series("participation ratio", SERIES[2]),
    }  # fmt: skip
    about = f"Of at most {min(matrix.shape):,} directions. Definitions: docs/analyses.md."
    derived_panels.lines(page, "ranks", answer, looks, y_title="rank", about=about, marks=step_marks(page))


def tail(page: Frame, matrix: Matrix) -> None:
    """The exponent of the tail of the eigenvalues, over training."""
    panels.title("Heavy tail (alpha) over training")
    answer = page.reader.ask(f"""SELECT step, 'alpha' AS series, alpha AS value, alpha_ks, alpha_n, note
{_rows(page, matrix)} ORDER BY step""")
    notes = {row["note"] for row in answer.table.to_pylist() if row["value"] is None}
    if notes and not any(row["value"] is not None for row in answer.table.to_pylist()):
        panels.caption(f"No exponent: {next(iter(notes))}.")
        return
    about = "Power law fitted to the largest eigenvalues of WᵀW; the data has its Kolmogorov-Smirnov distance."
    derived_panels.lines(page, "alpha", answer, {"alpha": Series("alpha", SERIES[5])}, y_title="alpha", about=about,
                         marks=step_marks(page))  # fmt: skip


def bands(page: Frame, matrix: Matrix) -> None:
    """Where the weight lies relative to the diagonal, at the cursor."""
    panels.title("Distance from the diagonal")
    answer = _bands(page.reader.key, page.reader.version, page.run, matrix, page)
    looks = {"10": Series("within 10% of the width", SERIES[0]), "25": Series("within 25%", SERIES[1]),
             "50": Series("within 50%", SERIES[2])}  # fmt: skip
    about = "Share of the squared weights near the diagonal (row number and column number compared as they are)."
    derived_panels.lines(page, "bands", answer, looks, y_title="share of energy", share=True, about=about,
                         marks=step_marks(page))  # fmt: skip


@st.cache_resource(max_entries=16, show_spinner="Measuring bands …")
def _bands(key: str, version: str, run: str, matrix: Matrix, _page: Frame) -> Answer:
    from etl.errors import StrobeError
    from strobe.analysis.banding import band_profile
    from strobe.ui.frames import snapshots_of

    del key, version
    files = snapshots_of(_page, run)
    rows: list[dict[str, object]] = []
    paths = files.current() if files is not None else {}
    for step in affordable(_page.steps, matrix):
        try:
            values = files.open(paths[step]).values(f"params/{matrix.name}") if files is not None else None
            if values is None:
                continue
            energy = band_profile(np.asarray(values if matrix.layer is None else values[matrix.layer])).energy
        except (StrobeError, OSError, KeyError):
            continue
        inside = np.cumsum(energy)
        for percent in (10, 25, 50):
            at = max(0, round(percent / 100 * len(energy)) - 1)
            value = float(inside[at])
            rows.append({"step": step, "series": str(percent), "value": value if np.isfinite(value) else None})
    schema = pa.schema([("step", pa.int64()), ("series", pa.string()), ("value", pa.float64())])
    sql = f"-- read from the snapshots: params/{matrix.name}"
    return Answer(sql, pa.Table.from_pylist(rows, schema), 0.0)


def matrix_row(page: Frame) -> None:
    """The picker, and the panels of the matrix."""
    matrix = pick(page)
    if matrix is None:
        return
    found = frames(page, matrix)
    if not found.steps:
        panels.caption(found.reason)
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        panels.title(f"{matrix.label} at the cursor")
        heatmap(page, matrix, found)
        movie_button.draw(page, Wanted("weights", matrix.name, matrix.layer or 0))
        bands(page, matrix)
    with right:
        histogram(page, matrix, found)
        analysed = derived_panels.ready(page, ("spectra",))
        if analysed:
            singular_values(page, matrix)
            ranks(page, matrix)
    if analysed:
        with left:
            tail(page, matrix)
