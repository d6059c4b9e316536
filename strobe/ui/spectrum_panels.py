"""The singular values of a matrix: at the cursor, over training, and what is read off them."""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from etl.errors import StrobeError
from strobe.analysis import spectrum
from strobe.charts.curves import Curves, Series, curves
from strobe.charts.theme import SERIES
from strobe.ui import derived_panels, moment_files, panels, state, weight_frames
from strobe.ui.at_once import settled
from strobe.ui.data import Answer, literal
from strobe.ui.frame import Frame
from strobe.ui.frames import snapshots_of
from strobe.ui.moments import step_marks
from strobe.ui.parts import follow_server
from strobe.ui.text import number
from strobe.ui.weight_frames import Matrix

MOST_VALUES: Final = 512
"""Singular values that a panel shows; of more, the largest."""
CHEAP_SECONDS: Final = 0.1
MOST_SECONDS: Final = 60
"""What one step's singular values may cost on demand."""
_PER_OPERATION: Final = 1.2e-11
"""Seconds; the Gram matrix of (m, n), m <= n, takes 2 m^2 n operations and its eigenvalues about as long again."""
_SCALES: Final = {"log": "Log", "linear": "Linear"}


def _rows(page: Frame, matrix: Matrix) -> str:
    layer = "IS NULL" if matrix.layer is None else f"= {matrix.layer}"
    return f"""FROM spectra WHERE run = {literal(page.run)} AND tensor = {literal(matrix.name)}
  AND layer {layer} AND part = 'whole' AND head IS NULL"""


def analysed(page: Frame, matrix: Matrix) -> bool:
    """Whether the store has spectra of this matrix."""
    return bool(page.reader.rows(f"SELECT count(*) AS n {_rows(page, matrix)}")[0]["n"])


def at_cursor(page: Frame, matrix: Matrix, *, key: str = "singular_values", height: int = 240) -> None:
    """The singular values at the cursor, largest first: stored ones, or those of the settled step on demand."""
    with panels.head(key):
        panels.title("Singular values at the cursor")
        state.offer("scale", list(_SCALES), "log")
        st.segmented_control(
            "Scale", list(_SCALES), key="scale", required=True, persist_state="session",
            label_visibility="collapsed", format_func=lambda name: _SCALES[name],
        )  # fmt: skip
    state.remember("scale", st.session_state["scale"], "log")
    if not analysed(page, matrix):
        _on_demand(page, matrix, key, height)
        return
    answer = page.reader.ask(f"""SELECT step, singular_values[:{MOST_VALUES}] AS singular_values
{_rows(page, matrix)} AND singular_values IS NOT NULL ORDER BY step""")
    if not answer.table.num_rows:
        panels.caption("No singular values: a weight of this matrix is not finite at every snapshot.")
        return
    steps = answer.table["step"].to_pylist()
    values = np.stack([np.asarray(row, np.float32) for row in answer.table["singular_values"].to_pylist()])
    many = min(matrix.shape)
    text = f"The largest {MOST_VALUES} of {many:,}." if many > MOST_VALUES else f"All {many:,}, largest first."
    _draw(page, matrix, key, height, steps, values, answer, text)


def _draw(
    page: Frame, matrix: Matrix, key: str, height: int, steps: list[int], values: Any, answer: Answer, text: str,
    *, on_demand: bool = False,
) -> None:  # fmt: skip
    log, n = st.session_state["scale"] == "log", values.shape[1]
    ghosts = [steps[0], steps[-1]] if len(steps) > 2 else []
    header = {
        "kind": "profile", "subject": f"spectrum {page.run} {matrix.label}", "follows": True, "run": page.run,
        "steps": steps, "count": n, "log": log, "height": height, "windowed": False, "shift": page.shift,
        "lines": [{"label": "at the cursor" if ghosts else "value", "colour": SERIES[0]}], "ghosts": ghosts,
        "x_name": "number", "sampled": on_demand, "lack": "not analysed",
        "alt": f"Singular values of {matrix.label} at the step of the cursor",
    }  # fmt: skip
    x = np.arange(1, n + 1, dtype=np.float32)
    panels.show(key, header, {"x": x, "y": np.ascontiguousarray(values)})

    def table(at: int) -> pa.Table:
        return pa.table({"number": np.arange(1, n + 1), "singular_value": values[at].astype(np.float64)})

    def figure(at: int) -> Curves:
        series = Series(matrix.label, SERIES[0])
        drawn = pa.table({"series": [series.label] * n, "x": x.astype(float), "y": values[at].astype(float)})
        return curves(drawn, [series], x_title="number", y_title="singular value", log=log)

    moment_files.draw(page, key, text, steps, answer.sql, table, figure)


def seconds(matrix: Matrix) -> float:
    """About what the singular values of one step cost here."""
    short, long = sorted(matrix.shape)
    return 2e-3 + _PER_OPERATION * 2 * short**2 * long


def _on_demand(page: Frame, matrix: Matrix, key: str, height: int) -> None:
    cost = seconds(matrix)
    words = f"less than {CHEAP_SECONDS} s" if cost < CHEAP_SECONDS else f"about {number(cost, 2)} s"
    size = f"{matrix.shape[0]:,} by {matrix.shape[1]:,}"
    if cost > MOST_SECONDS:
        panels.caption(f"Not analysed. At {size} one step would take {words}: `strobe analyze {page.run}` can.")
        return
    # What takes less than the eye notices is not worth a question.
    st.session_state.setdefault("spectrum_on", cost < CHEAP_SECONDS)
    st.toggle(f"Compute at the cursor ({words} a step)", key="spectrum_on", persist_state="session")
    if not st.session_state.get("spectrum_on"):
        panels.caption("This matrix is not analysed yet, so its singular values are not stored.")
        return
    # Asked here too, since a snapshot that cannot be read draws no panel.
    follow_server()
    step = settled(page)
    found = _computed(page.reader.key, page.reader.version, page.run, matrix, step, page)
    if isinstance(found, str):
        panels.caption(found)
        return
    made, took = found
    sql = f"-- computed from the snapshot of step {step:,}: params/{matrix.name}"
    method = "the Gram matrix in float64" if made.method == "gram" else "an SVD in float64"
    text = (
        f"Step {step:,}, by {method} in {took * 1e3:,.0f} ms; the largest is off by at most "
        f"{number(float(made.error[0] / made.values[0]) if made.values[0] else 0.0, 1)} of itself, the smallest by "
        f"{number(float(made.error[-1]), 1)}."
    )
    values = made.values[None, :MOST_VALUES].astype(np.float32)
    _draw(page, matrix, key, height, [step], values, Answer(sql, pa.table({}), 0.0), text, on_demand=True)


@st.cache_resource(max_entries=256, show_spinner="Computing singular values …")
def _computed(
    key: str, version: str, run: str, matrix: Matrix, step: int, _page: Frame
) -> tuple[spectrum.SingularValues, float] | str:
    del key, version
    files, started = snapshots_of(_page, run), time.perf_counter()
    try:
        if files is None:
            return "The snapshots of this run are not on this machine."
        made = spectrum.singular_values(weight_frames.weights(files.open(files.current()[step]), matrix))
    except (StrobeError, OSError, KeyError) as error:
        return f"The snapshot of step {step:,} cannot be read ({error})."
    if not np.isfinite(made.values).all():
        return f"A weight is not finite at step {step:,}, so there are no singular values."
    return made, time.perf_counter() - started


def picked(many: int) -> list[int]:
    """Numbers of the singular values that are drawn, of so many: the first, and then ever fewer, as many as there are
    colours."""
    first, *others = sorted({1, 2, 4, 8, 16, 64, many // 2, many} & set(range(1, many + 1)))
    return [first, *others[-(len(SERIES) - 1) :]]


def over_training(page: Frame, matrix: Matrix) -> None:
    """A few singular values by step: the first, and then ever fewer."""
    panels.title("Singular values over training")
    many = min(matrix.shape)
    drawn = picked(many)
    answer = page.reader.ask(f"""SELECT step, 's' || n AS series, singular_values[n] AS value
FROM (SELECT step, singular_values, unnest([{", ".join(map(str, drawn))}]) AS n {_rows(page, matrix)})
ORDER BY n, step""")
    looks = {f"s{n}": Series(f"s{_small(n)}", SERIES[k]) for k, n in enumerate(drawn)}
    derived_panels.lines(
        page, "spectrum_lines", answer, looks, y_title="singular value", log=True, marks=step_marks(page),
        about=f"Some of {many:,}, numbered from the largest. What stands out above the rest is what was learned.",
    )  # fmt: skip


def _small(n: int) -> str:
    return str(n).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


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
