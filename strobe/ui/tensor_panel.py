"""Every tensor at every snapshot: a heatmap first, lines for the rows that were picked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.charts.curves import Series, curves, tensor_heatmap
from strobe.charts.theme import SERIES
from strobe.ui import panels, queries, state
from strobe.ui.frame import Frame
from strobe.ui.text import number

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
        keep = [(i, name) for i, name in enumerate(self.rows) if rows is None or name in rows]
        cells = [
            (n, s, float(v))
            for i, n in keep
            for s, v in zip(self.steps, self.values[i], strict=True)
            if np.isfinite(v)
        ]
        names, steps, values = zip(*cells, strict=True) if cells else ((), (), ())
        columns = [pa.array(names, pa.string()), pa.array(steps, pa.int64()), pa.array(values, pa.float64())]
        return pa.table(columns, names=["row", "step", "value"])


def read_matrix(page: Frame, quantity: str) -> Matrix:
    """The chosen statistic of every tensor of the first selected run; at most 600 columns, evenly by index."""
    answer = page.reader.ask(queries.matrix(page.run, quantity))
    cells = answer.table.to_pylist()
    layers: dict[str, set[int | None]] = {}
    for cell in cells:
        layers.setdefault(cell["tensor"], set()).add(cell["layer"])
    names = sorted(layers, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    keys = [(name, layer) for name in names for layer in sorted(layers[name], key=lambda n: -1 if n is None else n)]
    index = {key: i for i, key in enumerate(keys)}
    steps = sorted({cell["step"] for cell in cells if cell["value"] is not None})
    if len(steps) > _MOST_COLUMNS:
        steps = [steps[k] for k in np.linspace(0, len(steps) - 1, _MOST_COLUMNS).round().astype(int)]
    column = {step: j for j, step in enumerate(steps)}
    values = np.full((len(keys), len(steps)), np.nan)
    for cell in cells:
        if cell["step"] in column and cell["value"] is not None:
            values[index[cell["tensor"], cell["layer"]], column[cell["step"]]] = cell["value"]
    labels = [name if layer is None or len(layers[name]) == 1 else f"{name}.{layer}" for name, layer in keys]
    return Matrix(labels, steps, values, answer.sql)


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


def draw(page: Frame) -> None:
    """The heatmap of the chosen statistic, and under it the lines of the picked rows."""
    present = {row["section"] for row in page.reader.rows(queries.sections(page.run))}
    names = [name for name, quantity in queries.QUANTITIES.items() if quantity.section in present]
    if not names:
        panels.title("Tensors")
        panels.caption(
            "This run has no tensor statistics, which come from its snapshots: record some and ingest again."
        )
        return
    state.offer("tensors", names, names[0])
    with panels.head("tensors"):
        panels.title(_title(page))
        st.segmented_control(
            "Statistic", names, key="tensors", label_visibility="collapsed", required=True, persist_state="session",
            format_func=lambda name: queries.QUANTITIES[name].label,
        )  # fmt: skip
    chosen = state.remember("tensors", st.session_state["tensors"], names[0])
    quantity, matrix = queries.QUANTITIES[chosen], read_matrix(page, chosen)
    if not matrix.steps:
        panels.caption(f"{quantity.label}: needs two snapshots; this run has {len(page.steps)}.")
        return
    picked = _picked(matrix)
    _heatmap(page, chosen, matrix, picked)
    _lines(page, chosen, matrix, picked)


def _title(page: Frame) -> str:
    who = f" of {page.title_of(page.run)}" if len(page.runs) > 1 else ""
    return f"Every tensor{who}, step by step"


def _picked(matrix: Matrix) -> list[str]:
    """The picked rows: a click on a row adds or removes it."""
    click = panels.held("tensors_heatmap", "picked")
    if isinstance(click, dict) and click.get("nonce") != st.session_state.get("_picked_nonce"):
        st.session_state["_picked_nonce"] = click.get("nonce")
        row, before = click.get("row"), st.session_state.get("row", matrix.rows[:1])
        if row in matrix.rows:
            st.session_state["row"] = (
                [r for r in before if r != row] if row in before else [*before, row][-state.MOST_RUNS :]
            )
    return state.offer_several("row", matrix.rows, _first_rows(matrix))


def _first_rows(matrix: Matrix) -> list[str]:
    """The embedding and the two MLP matrices where the model has them: the rows that tell most at first sight."""
    wanted = [name for name in matrix.rows if name.split(".")[0] in ("wte", "fcw", "fcprojw")]
    return (wanted or matrix.rows)[:3]


def _heatmap(page: Frame, name: str, matrix: Matrix, picked: list[str]) -> None:
    quantity = queries.QUANTITIES[name]
    colours, low, high = shades(matrix.values)
    header = {
        "kind": "grid", "subject": f"{name} {page.run}", "run": page.run, "follows": False, "steps": page.steps,
        "alt": f"{quantity.explains}: {len(matrix.rows)} tensors by {len(matrix.steps)} snapshots",
        "rows": matrix.rows, "columns": matrix.steps, "row_height": 20 if len(matrix.rows) <= 24 else 12,
        "picked": [matrix.rows.index(row) for row in picked], "map": "sequential",
        "quantity": f"{quantity.label.lower()}, {quantity.unit}",
        "low": number(low, 2) if np.isfinite(low) else "no value above 0",
        "high": number(high, 2) if np.isfinite(high) else "",
    }  # fmt: skip
    arrays = {"values": colours, "exact": matrix.values.astype(np.float32)}
    panels.show("tensors_heatmap", header, arrays, on_picked_change=lambda: None)
    table = matrix.table()
    what = quantity.explains[0].upper() + quantity.explains[1:]
    text = f"{what}. Colour on a log scale; empty: zero, or not recorded. Click a row for its line."
    positive = table.filter(pa.compute.greater(table["value"], 0)) if table.num_rows else table
    panels.tools(
        "tensors_heatmap", text, [matrix.sql], table,
        lambda: tensor_heatmap(positive, matrix.rows, quantity=f"{quantity.label}, {quantity.unit}"),
    )  # fmt: skip


def _lines(page: Frame, name: str, matrix: Matrix, picked: list[str]) -> None:
    if not picked:
        panels.caption("Click a row of the heatmap to draw it as a line.")
        return
    quantity = queries.QUANTITIES[name]
    series = [Series(row, SERIES[k % len(SERIES)], dash=k >= len(SERIES)) for k, row in enumerate(picked)]
    table = matrix.table(picked)
    table = table.filter(pa.compute.greater(table["value"], 0))
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for k, row in enumerate(picked):
        values = matrix.values[matrix.rows.index(row)]
        good = np.isfinite(values) & (values > 0)
        arrays[f"x{k}"], arrays[f"y{k}"] = np.asarray(matrix.steps, np.float64)[good], values[good]
    header = {
        "kind": "curves", "subject": f"{name} {page.run} {' '.join(picked)}", "run": page.run, "follows": False,
        "alt": f"{quantity.explains} of {', '.join(picked)}", "steps": page.steps,
        "cursor_x": [float(step) for step in page.steps],
        "series": [{"label": s.label, "colour": s.colour, "dash": s.dash} for s in series],
        "marks": [], "unit": "", "x_name": "step", "log": True, "share": False, "height": 220,
    }  # fmt: skip
    panels.show("tensors_lines", header, arrays, on_window_change=lambda: None)
    long = table.rename_columns(["series", "x", "y"])
    panels.tools(
        "tensors_lines", f"{quantity.label}, {quantity.unit}, log scale.", [matrix.sql], table,
        lambda: curves(long, series, x_title="step", y_title=f"{quantity.label}, {quantity.unit}", log=True),
    )  # fmt: skip
