"""Every metric that the selected runs have, searched in the browser; the ticked ones are drawn below one another."""

from __future__ import annotations

import zlib
from typing import Final

import streamlit as st

from strobe.ui.curves import panel
from strobe.ui.curves.options import CurveOptions
from strobe.ui.panel import panel as panels
from strobe.ui.shell import address, components
from strobe.ui.shell.page import Page
from strobe.views import curve_sql
from strobe.views.curves import Curve
from strobe.views.metric_units import units_of
from strobe.views.words import visible

MOST_METRICS: Final = 8
_WORDS: Final = {
    "what": "Metrics",
    "none": "No metric has this in its name.",
    "full": f"{MOST_METRICS} metrics are drawn: untick one to add another.",
}


def draw(page: Page, view: CurveOptions) -> None:
    """The list at the left, a chart for each ticked metric at the right."""
    table = page.of(*view.runs(page)).ask(curve_sql.catalogue(view.runs(page))).table
    counts = dict(zip(table["name"].to_pylist(), table["n"].to_pylist(), strict=True))
    if not counts:
        panels.caption("No metric was recorded: a training program writes them to metrics.jsonl.")
        return

    def ticked() -> None:
        wanted = st.session_state["metric_picker"].get("selected") or []
        st.session_state["metric"] = [name for name in wanted if isinstance(name, str)][:MOST_METRICS]

    chosen = address.offer_several("metric", counts, [])
    left, right = st.columns([1, 2], gap="medium")
    with left:
        # Its own name for the item stands for itself: 12,000 names travel once.
        items = [[name, "", f"{n:,}"] for name, n in counts.items()]
        data = {"items": items, "selected": chosen, "most": MOST_METRICS, "words": _WORDS, "optional": True}
        components.picker()(key="metric_picker", data=data, on_selected_change=ticked)
    with right:
        _charts(page, view, chosen)


def _charts(page: Page, view: CurveOptions, chosen: list[str]) -> None:
    if not chosen:
        panels.title("More metrics")
        panels.caption("Tick a metric to draw it here. The filter takes regular expressions: ^eval/.*loss$")
    for name in chosen:
        key = f"metric_{zlib.crc32(name.encode()):08x}"
        log = _head(key, name)
        runs = view.runs(page)
        units = units_of(page.of(*runs), runs, [name])
        wanted = [Curve(run, name, "") for run in runs]
        panel.draw(
            page, key, wanted, view=view, y_title=units.title(name), log=log, height=220,
            about=units.note({run: page.title_of(run) for run in runs}),
        )  # fmt: skip


def _head(key: str, name: str) -> bool:
    """The title of one chart and its scale."""
    scales = ["linear", "log"]
    with panels.head(key):
        panels.title(visible(name))
        st.session_state.setdefault(f"{key}_axis", "linear")
        st.segmented_control(
            f"Axis of chart {key}", scales, key=f"{key}_axis", label_visibility="collapsed", required=True,
            persist_state="session",
        )  # fmt: skip
    return bool(st.session_state[f"{key}_axis"] == "log")
