"""The changes of every series of one run, as a table under the curves."""

from __future__ import annotations

from typing import Final

import streamlit as st

from strobe.ui.panel import derived, panel
from strobe.views import transitions
from strobe.views.run_view import RunView
from strobe.views.transitions import Transitions

TITLE: Final = "Changes of every series"


def draw(view: RunView) -> None:
    """Steps and gradual changes by step, with the rule, and how many series have none."""
    if not derived.part_ready(view, [transitions.TABLE], TITLE, "analyse_transitions"):
        return
    found = transitions.transitions(view)
    panel.title(TITLE)
    if not found.answer.table.num_rows:
        panel.caption(f"Not looked for by the present definition: `strobe analyze {view.run}` does.")
        return
    panel.say(found.sentence())
    if found.changes:
        _table(found)
    panel.tools("transitions", transitions.RULE, [found.answer.sql], lambda: found.answer.table, None)


def _table(found: Transitions) -> None:
    columns = st.column_config
    st.dataframe(
        found.table(), hide_index=True, key="transitions", placeholder="", height=380,
        column_config={
            "series": columns.TextColumn("Series", width="medium"),
            "change": columns.TextColumn("Change", width="large"),
            "low": columns.NumberColumn("95% from", format="localized", help="Of the step, or of the midpoint"),
            "high": columns.NumberColumn("to", format="localized"),
            "effect": columns.NumberColumn("Effect", format="%.3g", help="Losses and norms: in log10"),
            "sd": columns.NumberColumn("In sd", format="%.3g", help="Over the spread about the fitted curve"),
            "p": columns.NumberColumn("p", format="%.2g", help="Corrected for all tests of the run"),
        },
    )  # fmt: skip
