"""The parts of a panel: title with a badge, canvas, caption, and its SQL, data and image."""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import streamlit as st

from strobe.charts import export
from strobe.ui.panel.kinds import Panel
from strobe.ui.shell import components
from strobe.ui.shell.parts import follow_server
from strobe.ui.shell.words import escaped, sentence
from strobe.ui.sql.link import open_in_sql

MOST_WORDS: Final = 1_200
"""Characters of a caption: remarks on eight runs fit."""

FigureMaker = Callable[[], Any]
TableMaker = Callable[[], pa.Table]


def title(text: str, badge: str = "", explains: str = "") -> None:
    """The heading of a panel; `badge` says what was left out, `explains` is shown on hover."""
    small = f'<span class="st-badge">{escaped(badge)}</span>' if badge else ""
    st.html(f'<p class="st-title" title="{escaped(explains)}">{escaped(text)}{small}</p>')


def head(key: str) -> Any:
    """A row of one height for a panel's title and its controls, so that panels side by side stay level."""
    return st.container(
        key=f"head_{key}", horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    )


def caption(text: str) -> None:
    """One line under a chart: what, unit, sample or bins."""
    st.html(f'<p class="st-caption">{sentence(text, MOST_WORDS)}</p>')


def say(text: str) -> None:
    """What a page found, in a sentence or two that are read before its charts."""
    st.html(f'<p class="st-say">{sentence(text, MOST_WORDS)}</p>')


def show(key: str, panel: Panel, arrays: Mapping[str, np.ndarray[Any, Any]], **callbacks: Callable[[], None]) -> Any:
    """Mounts a canvas panel. What travels gets a `token` here, so that an unchanged panel is not redrawn.

    A panel with `windowed` or `sampled` frames is made again by the server when the cursor rests.
    """
    if panel.presence.windowed or panel.presence.sampled:
        follow_server()
    header = panel.header()
    parts: list[Any] = [
        json.dumps(header, sort_keys=True).encode(),
        *(np.ascontiguousarray(array) for array in arrays.values()),
    ]
    token = f"{functools.reduce(lambda crc, part: zlib.crc32(part, crc), parts, 0):08x}"
    return components.panel()(
        key=key, data=components.pack({**header, "name": key, "token": token}, arrays), **callbacks
    )


def held(key: str, state: str) -> Any:
    """What a panel last sent as `state`, before it is mounted in this run."""
    sent: Any = st.session_state.get(key)
    return sent.get(state) if hasattr(sent, "get") else None


def tools(key: str, text: str, queries: Sequence[str], table: TableMaker, figure: FigureMaker | None) -> None:
    """The caption line of a panel with its SQL, its data as CSV and Parquet, and itself as PNG, SVG and PDF.

    Files are made when they are asked for, not on each rerun.
    """
    with st.container(
        key=f"tools_{key}", horizontal=True, horizontal_alignment="distribute", vertical_alignment="top", wrap=False
    ):
        caption(text)
        # One popover a panel and not one a format: each costs the browser more than the panel's own canvas.
        with st.popover("SQL and files", type="tertiary", key=f"{key}_files"):
            with st.container(horizontal=True, gap="small"):
                _download(key, "csv", lambda: export.csv(table()))
                _download(key, "parquet", lambda: export.parquet(table()))
                for kind in ("png", "svg", "pdf") if figure is not None else ():
                    _download(key, kind, lambda kind=kind: export.image(figure(), kind))  # type: ignore[misc]
                open_in_sql(key, queries)
            st.code(";\n\n".join(dict.fromkeys(queries)), language="sql", height=260)


def _download(key: str, kind: str, make: Callable[[], bytes]) -> None:
    name = {"csv": "CSV", "parquet": "Parquet"}.get(kind, kind.upper())
    st.download_button(
        name, make, f"{key}.{kind}", export.MIME[kind], key=f"{key}_{kind}", on_click="ignore", type="tertiary",
        icon=":material/download:",
    )  # fmt: skip
