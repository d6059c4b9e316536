"""The ranking of what changed around a moment of the run, or around the cursor."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import streamlit as st

from strobe.ui.panel import choice, panel
from strobe.ui.shell import address, cursor
from strobe.ui.shell.cache import cached_by_run
from strobe.ui.shell.moments import milestones_of
from strobe.ui.shell.parts import follow_server
from strobe.views import changes
from strobe.views.run_view import Answer, RunView

MOST_ROWS: Final = 12
CURSOR: Final = "cursor"


def _moments(view: RunView) -> dict[str, tuple[str, int]]:
    """Around what the ranking can be made: key -> words, step. The onset first, the cursor always."""
    known = milestones_of(view)
    onset, peak, moments = known.onset, known.peak, {}
    if onset is not None and onset.step is not None:
        moments["onset"] = ("the onset", onset.step)
    if onset is not None and onset.fitted is not None:
        moments["known"] = ("the training set known", onset.fitted)
    if peak is not None and peak.step is not None and peak.fallen is not None:
        moments["peak"] = (f"the {known.held_out}-loss peak", peak.step)
    return moments | {CURSOR: ("the cursor", cursor.step())}


def draw(view: RunView) -> None:
    """The ranking around the grokking onset or another moment of the run, or around the cursor."""
    at, kind = _pick(_moments(view))
    answer = changes.series(view)
    table = changes.of_kind(_ranking(view, answer, at), kind)
    if not table.num_rows:
        panel.caption(changes.why_none(view, kind))
        return
    # Rows of which nothing can be told would say nothing but their names.
    if table["times"].null_count < table.num_rows:
        _table(table.drop_columns(["kind"]))
    text = changes.about(table, MOST_ROWS)
    panel.tools("changes", text, [answer.sql], lambda: table, None)


def _pick(moments: dict[str, tuple[str, int]]) -> tuple[int, str]:
    """Around which step, and what is ranked."""
    first = next(iter(moments))
    # The title stands before the widget that it depends on.
    address.offer("moment", list(moments), first)
    with panel.head("changes"):
        words, at = moments[st.session_state["moment"]]
        panel.title(f"What changed around {words}, step {at:,}")
        with st.container(horizontal=True, gap="small", width="content", vertical_alignment="center"):
            kind = choice.segmented("changed", "What is ranked", list(changes.KINDS), words=changes.KINDS)
            if len(moments) > 1:
                choice.select(
                    "moment", "Around", list(moments), words=lambda name: f"around {moments[name][0]}", width=230
                )
    if address.remember("moment", st.session_state["moment"], first) == CURSOR:
        follow_server()
    return at, kind


@cached_by_run
def _ranking(view: RunView, answer: Answer, at: int) -> pa.Table:
    del view  # the key: an answer counts by its SQL, not by the store's version
    return changes.ranking(answer, at)


def _table(table: pa.Table) -> None:
    columns = st.column_config
    st.dataframe(
        table.slice(0, MOST_ROWS), hide_index=True, key="changes", height="content", placeholder="",
        column_config={
            "what": columns.TextColumn("What", width=340),
            "before": columns.NumberColumn("Before", format="%.3g"),
            "after": columns.NumberColumn("After", format="%.3g"),
            "effect": columns.NumberColumn("Change", format="%.3g"),
            "times": columns.NumberColumn("Times usual", format="%.2f", help=changes.RULE),
            "verdict": columns.TextColumn("Verdict", width="medium", help=changes.RULE),
        },
    )  # fmt: skip
