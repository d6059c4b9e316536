"""The result of a statement: what was cut, the table, the quick chart, the files; or what went wrong and where."""

from __future__ import annotations

from functools import partial
from typing import Any

import pyarrow as pa
import streamlit as st

from etl.sql.reply import QueryError, Reply
from strobe.ui.shell.words import inert, markup
from strobe.ui.sql.query import Outcome, limits

_MARKS = ("line", "points", "bars")


def show(outcome: Outcome) -> None:
    """The outcome of the statement that ran last."""
    if outcome.error is not None:
        _show_error(outcome.sql, outcome.error)
    elif outcome.reply is not None:
        _show_reply(outcome.reply)


def _show_error(sql: str, error: QueryError) -> None:
    icons = {"timeout": ":material/timer_off:", "memory": ":material/memory:", "busy": ":material/hourglass_top:"}
    st.error(inert(str(error)), icon=icons.get(error.kind, ":material/error:"))
    if error.line is None or error.column is None:
        return
    lines = sql.splitlines()
    if error.line <= len(lines):
        line, start = lines[error.line - 1], max(0, error.column - 60)
        st.code(f"{line[start : start + 100]}\n{' ' * (error.column - 1 - start)}^", language=None)


def _show_reply(reply: Reply) -> None:
    table, notices = reply.table, reply.notices(limits())
    if notices:
        st.info(inert(" ".join(notices)), icon=":material/content_cut:")
    if reply.columns == ["explain_key", "explain_value"]:
        st.code("\n".join(str(plan) for plan in table["explain_value"].to_pylist()), language=None)
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        view = st.segmented_control(
            "View", ["Table", "Chart"], default="Table", key="sql_view", label_visibility="collapsed", required=True
        )
        with st.container(horizontal=True, width="content", gap="small"):
            _downloads(table)
    if view == "Chart":
        _chart(table)
    else:
        if table.num_rows == 0:
            st.caption("The query ran and gave no rows.")
        st.dataframe(
            shown(table), width="stretch", hide_index=True, alt="Rows of the query's result",
            column_config=_digits(table),
        )  # fmt: skip
    markup(
        '<p class="st-caption">{rows} rows, {columns} columns, {seconds} s in the engine</p>',
        rows=f"{table.num_rows:,}", columns=f"{table.num_columns:,}", seconds=f"{reply.seconds:.2g}",
    )  # fmt: skip


def _digits(table: pa.Table) -> dict[str, Any]:
    """How the grid writes numbers: with the digits that they have. By itself it rounds to four places behind the
    point, and 4.49e-7 is 0 there."""
    return {
        field.name: st.column_config.NumberColumn(format="%.7g" if field.type == pa.float32() else "%.12g")
        for field in table.schema
        if pa.types.is_floating(field.type)
    }


def shown(table: pa.Table) -> pa.Table:
    """The table with what the browser's grid cannot show (bytes, decimals, times of day, nesting) as text."""
    from strobe.rows import text_of

    columns = []
    for column in table.columns:
        kind = column.type
        plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        if plain or pa.types.is_string(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            columns.append(column)
        else:
            values = column.to_pylist()
            columns.append(pa.array([None if value is None else text_of(value) for value in values], pa.string()))
    return pa.table(columns, names=table.column_names)


def _downloads(table: pa.Table) -> None:
    from strobe.charts.export import MIME
    from strobe.rows import csv_bytes, parquet_bytes

    for kind, label, make in (("csv", "CSV", csv_bytes), ("parquet", "Parquet", parquet_bytes)):
        st.download_button(
            label, partial(make, table), f"query.{kind}", MIME[kind], key=f"sql_{kind}", on_click="ignore",
            type="tertiary", icon=":material/download:",
        )  # fmt: skip


def _chart(table: pa.Table) -> None:
    from strobe.charts import export, quick
    from strobe.charts.theme import DARK, LIGHT, altair_config

    suggested = quick.suggest(table)
    if suggested is None:
        st.info("A chart needs at least two columns, one of them a number, and a row.", icon=":material/show_chart:")
        return
    x_names, y_names, colours = quick.choices(table)
    with st.container(horizontal=True):
        x = _pick("x", x_names, suggested.x)
        y = _pick("y", y_names, suggested.y)
        colour = _pick("colour", ["(none)", *colours], suggested.colour or "(none)")
        mark = _pick("mark", list(_MARKS), suggested.mark)
        logs = [
            axis for axis in quick.may_be_log(table, x, y, mark) if st.toggle(f"log {axis}", key=f"sql_log_{axis}")
        ]
    axes = quick.Axes(x, y, None if colour == "(none)" else colour, mark, tuple(logs))
    # The figure is made in the light theme, for files; on screen it takes the visitor's.
    config = altair_config(DARK if st.context.theme.type == "dark" else LIGHT) | {"background": "transparent"}
    st.vega_lite_chart(spec=quick.figure(table, axes).to_dict() | {"config": config}, theme=None, width="stretch")
    with st.container(horizontal=True, gap="small"):
        if lost := quick.without_place(table, axes):
            st.caption(f"{lost:,} rows that are not above 0 have no place on a log axis.")
        if mark == "bars" and table.num_rows > 60:
            st.caption("Bars show the first 60 rows.")
        for kind in ("png", "svg", "pdf"):
            st.download_button(
                kind.upper(), lambda kind=kind: export.image(quick.figure(table, axes), kind), f"query.{kind}",  # type: ignore[misc]
                export.MIME[kind], key=f"sql_{kind}", on_click="ignore", type="tertiary", icon=":material/download:",
            )  # fmt: skip


def _pick(name: str, options: list[str], default: str) -> Any:
    key = f"sql_chart_{name}"
    if st.session_state.get(key) not in options:
        st.session_state[key] = default
    return st.selectbox(name, options, key=key, width=150)
