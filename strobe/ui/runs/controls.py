"""What the list of runs is asked for: search, condition, order, columns and groups, kept in the address."""

from __future__ import annotations

from typing import Final

import streamlit as st

from strobe.ui.panel import choice
from strobe.ui.shell import address
from strobe.ui.shell.page import Page
from strobe.views.run_columns import DEFAULT, FACTS, MOST
from strobe.views.run_list import NEWEST, Wanted, groupable
from strobe.views.run_values import Values

SORT: Final = "sort"
AT: Final = "_runs_page"
_ASKED: Final = "_runs_asked"
_METRICS: Final = "SELECT run, name FROM metrics"
_NO_GROUP: Final = "none"


def wanted(page: Page) -> Wanted:
    """Drawn above the table; what changes what is found begins at its first page again."""
    values = Values(page.reader)
    with st.container(key="runs_controls", horizontal=True, gap="small", vertical_alignment="center"):
        search = choice.text("search", "Search runs", placeholder="Search names, tags, notes", width=220)
        condition = choice.text("where", "Filter runs", placeholder="Filter, as: lr > 1e-3 and status = 'finished'",
                                width=340)  # fmt: skip
        shared = groupable(values)
        group = _NO_GROUP
        if shared:
            group = choice.select("group", "Group by", [_NO_GROUP, *shared], _NO_GROUP, words=_group_words, width=190)
        columns = _columns(page, values)
        archived = any(said.archived for said in values.said.values()) and _archived()
    asked = (search, condition, group, archived)
    if st.session_state.get(_ASKED) != asked:
        st.session_state[_ASKED], st.session_state[AT] = asked, 0
    return Wanted(
        search, condition, _sort(), columns, "" if group == _NO_GROUP else group, archived,
        int(st.session_state.get(AT, 0)),
    )  # fmt: skip


def _group_words(key: str) -> str:
    return "No groups" if key == _NO_GROUP else f"Group by {key}"


def _sort() -> str:
    asked = address.arrived(SORT)
    sort = str(asked[0] if asked else st.session_state.get(SORT, NEWEST))[: address.MOST_CHARACTERS]
    st.session_state[SORT] = sort
    return address.remember(SORT, sort, NEWEST)


def _columns(page: Page, values: Values) -> tuple[str, ...]:
    """The columns that were chosen; any metric may be typed, as `mean(val_loss)`."""
    asked = address.arrived("columns")
    if asked is not None:
        st.session_state["columns"] = asked[:MOST]
    st.session_state.setdefault("columns", list(DEFAULT))
    chosen: list[str] = st.session_state["columns"] or ["name"]
    with st.popover("Columns", key="runs_columns"):
        metrics = page.reader.each(_METRICS, (("name", "ascending"),), page.runs[:1]).table["name"].to_pylist()
        st.multiselect(
            "Columns", list(dict.fromkeys([*DEFAULT, *FACTS, *values.keys, *metrics, *chosen])), key="columns",
            persist_state="session", accept_new_options=True, max_selections=MOST,
            help="Any setting, or any metric: its last value by its name, others as best(val_loss), min, max, mean.",
        )  # fmt: skip
    address.write("columns", None if chosen == list(DEFAULT) else chosen)
    return tuple(chosen)


def _archived() -> bool:
    asked = address.arrived("archived")
    if asked is not None:
        st.session_state["archived"] = asked[0] == "1"
    shown = st.toggle("Archived too", key="archived", persist_state="session")
    address.write("archived", "1" if shown else None)
    return shown
