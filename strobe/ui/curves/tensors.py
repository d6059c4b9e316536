"""Every tensor at every snapshot: a heatmap first, lines for the rows that were picked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from strobe.charts.curves import Series, curves, tensor_heatmap
from strobe.charts.theme import SERIES
from strobe.ui.curves import queries
from strobe.ui.panel import panel
from strobe.ui.panel.kinds import CurvesPanel, GridPanel, Line
from strobe.ui.shell import address
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import ends
from strobe.views.run_view import Answer

_ORDER: Final = (
    "wte", "wpe", "ln1w", "ln1b", "qkvw", "qkvb", "attprojw", "attprojb", "ln2w", "ln2b", "fcw", "fcb", "fcprojw",
    "fcprojb", "lnfw", "lnfb", "unembed",
)  # fmt: skip
_MOST_COLUMNS: Final = 600


@dataclass(frozen=True)
class Matrix:
    """values[i, j] of row i at steps[j], float64; NaN where nothing was recorded."""

    rows: list[str]
    steps: list[int]
    values: np.ndarray[Any, Any]
    sql: str

    def table(self, rows: list[str] | None = None) -> pa.Table:
        """Long form: row, step, value, without what was not recorded."""
        keep = [i for i, name in enumerate(self.rows) if rows is None or name in rows]
        row, column = np.nonzero(np.isfinite(self.values[keep]))
        names = np.asarray(self.rows, dtype=object)[keep]
        return pa.table(
            {
                "row": pa.array(names[row].tolist(), pa.string()),
                "step": pa.array(np.asarray(self.steps, np.int64)[column]),
                "value": pa.array(self.values[keep][row, column]),
            }
        )


def read_matrix(page: Page, quantity: str) -> Matrix:
    """The chosen statistic of every tensor of the first selected run; at most 600 columns, evenly by index."""
    return _matrix(*page.reader.key, page.reader.ask(queries.matrix(page.run, quantity)))


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={Answer: lambda answer: answer.sql})
def _matrix(key: str, version: str, answer: Answer) -> Matrix:
    del key, version
    table = answer.table
    coded = table["tensor"].combine_chunks().dictionary_encode()
    names: list[str] = coded.dictionary.to_pylist()
    layers = table["layer"].fill_null(-1).to_numpy().astype(np.int64)
    pairs = np.stack([coded.indices.to_numpy().astype(np.int64), layers], axis=1).reshape(-1, 2)
    unique, row = np.unique(pairs, axis=0, return_inverse=True)
    order = sorted(range(len(unique)), key=lambda k: (*_place(names[unique[k][0]]), unique[k][1]))
    place = np.empty(len(unique), np.int64)
    place[order] = np.arange(len(unique))
    value, step = table["value"].to_numpy(), table["step"].to_numpy()
    known = np.flatnonzero(~np.isnan(value))
    steps = np.unique(step[known])
    if len(steps) > _MOST_COLUMNS:
        steps = steps[np.linspace(0, len(steps) - 1, _MOST_COLUMNS).round().astype(int)]
        known = known[np.isin(step[known], steps)]
    values = np.full((len(unique), len(steps)), np.nan)
    values[place[row.reshape(-1)[known]], np.searchsorted(steps, step[known])] = value[known]
    many = {name for name, count in zip(*np.unique(unique[:, 0], return_counts=True), strict=True) if count > 1}
    labels = [f"{names[name]}.{layer}" if name in many else names[name] for name, layer in unique[order].tolist()]
    return Matrix(labels, steps.tolist(), values, answer.sql)


def _place(name: str) -> tuple[int, str]:
    """Known tensors in the order of the model, others behind them by name."""
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def shades(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], float, float]:
    """Bytes 1..255 on a log scale over the positive values, 0 where there is none; and the two ends of the scale."""
    good = np.isfinite(values) & (values > 0)
    if not good.any():
        return np.zeros(values.shape, np.uint8), np.nan, np.nan
    low, high = float(values[good].min()), float(values[good].max())
    place = np.zeros(values.shape)
    span = np.log(high) - np.log(low)
    if span > 0:
        place[good] = (np.log(values[good]) - np.log(low)) / span
    return np.where(good, 1 + np.round(place * 254), 0).astype(np.uint8), low, high


def draw(page: Page) -> None:
    """The heatmap of the chosen statistic, and under it the lines of the picked rows."""
    present = {row["section"] for row in page.reader.rows(queries.sections(page.run))}
    names = [name for name, quantity in queries.QUANTITIES.items() if quantity.section in present]
    if not names:
        panel.title("Tensors")
        panel.caption(
            "This run has no tensor statistics, which come from its snapshots: record some and ingest again."
        )
        return
    address.offer("tensors", names, names[0])
    with panel.head("tensors"):
        panel.title(_title(page))
        st.segmented_control(
            "Statistic", names, key="tensors", label_visibility="collapsed", required=True, persist_state="session",
            format_func=lambda name: queries.QUANTITIES[name].label,
        )  # fmt: skip
    chosen = address.remember("tensors", st.session_state["tensors"], names[0])
    quantity, matrix = queries.QUANTITIES[chosen], read_matrix(page, chosen)
    if not matrix.steps:
        panel.caption(f"{quantity.label}: needs two snapshots; this run has {len(page.steps)}.")
        return
    picked = _picked(matrix)
    _heatmap(page, chosen, matrix, picked)
    _lines(page, chosen, matrix, picked)


def _title(page: Page) -> str:
    who = f" of {page.title_of(page.run)}" if len(page.runs) > 1 else ""
    return f"Every tensor{who}, step by step"


def _picked(matrix: Matrix) -> list[str]:
    """The picked rows: a click on a row adds or removes it."""
    click = panel.held("tensors_heatmap", "picked")
    if isinstance(click, dict) and click.get("nonce") != st.session_state.get("_picked_nonce"):
        st.session_state["_picked_nonce"] = click.get("nonce")
        row, before = click.get("row"), st.session_state.get("row", matrix.rows[:1])
        if row in matrix.rows:
            st.session_state["row"] = (
                [r for r in before if r != row] if row in before else [*before, row][-address.MOST_RUNS :]
            )
    return address.offer_several("row", matrix.rows, _first_rows(matrix))


def _first_rows(matrix: Matrix) -> list[str]:
    """The embedding and the two MLP matrices where the model has them: the rows that tell most at first sight."""
    wanted = [name for name in matrix.rows if name.split(".")[0] in ("wte", "fcw", "fcprojw")]
    return (wanted or matrix.rows)[:3]


def _heatmap(page: Page, name: str, matrix: Matrix, picked: list[str]) -> None:
    quantity = queries.QUANTITIES[name]
    colours, low, high = shades(matrix.values)
    least, most = ends(low, high)
    header = GridPanel(
        subject=f"{name} {page.run}", run=page.run, steps=page.steps,
        alt=f"{quantity.explains}: {len(matrix.rows)} tensors by {len(matrix.steps)} snapshots",
        rows=matrix.rows, columns=matrix.steps, row_height=20 if len(matrix.rows) <= 24 else 12,
        picked=[matrix.rows.index(row) for row in picked], quantity=f"{quantity.label.lower()}, {quantity.unit}",
        low=least if np.isfinite(low) else "no value above 0", high=most if np.isfinite(high) else "",
    )  # fmt: skip
    arrays = {"values": colours, "exact": matrix.values.astype(np.float32)}
    panel.show("tensors_heatmap", header, arrays, on_picked_change=lambda: None)
    what = quantity.explains[0].upper() + quantity.explains[1:]
    text = f"{what}. Colour on a log scale; empty: zero, or not recorded. Click a row for its line."
    panel.tools(
        "tensors_heatmap", text, [matrix.sql], matrix.table,
        lambda: tensor_heatmap(_positive(matrix.table()), matrix.rows, quantity=f"{quantity.label}, {quantity.unit}"),
    )  # fmt: skip


def _lines(page: Page, name: str, matrix: Matrix, picked: list[str]) -> None:
    if not picked:
        panel.caption("Click a row of the heatmap to draw it as a line.")
        return
    quantity = queries.QUANTITIES[name]
    series = [Series(row, SERIES[k % len(SERIES)], dash=k >= len(SERIES)) for k, row in enumerate(picked)]
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for k, row in enumerate(picked):
        values = matrix.values[matrix.rows.index(row)]
        good = np.isfinite(values) & (values > 0)
        arrays[f"x{k}"], arrays[f"y{k}"] = np.asarray(matrix.steps, np.float64)[good], values[good]
    header = CurvesPanel(
        subject=f"{name} {page.run} {' '.join(picked)}", run=page.run, steps=page.steps,
        alt=f"{quantity.explains} of {', '.join(picked)}", cursor_x=[float(step) for step in page.steps],
        series=[Line(s.label, s.colour, s.dash) for s in series], log=True, height=220,
    )  # fmt: skip
    panel.show("tensors_lines", header, arrays, on_window_change=lambda: None)
    y_title = f"{quantity.label}, {quantity.unit}"

    def figure() -> Any:
        table = _positive(matrix.table(picked)).rename_columns(["series", "x", "y"])
        return curves(table, series, x_title="step", y_title=y_title, log=True)

    panel.tools(
        "tensors_lines", f"{y_title}, log scale.", [matrix.sql], lambda: matrix.table(picked), figure
    )  # fmt: skip


def _positive(table: pa.Table) -> pa.Table:
    return table.filter(pc.greater(table["value"], 0))
