"""What to do where the run that is looked at is no memorization study."""

from __future__ import annotations

import streamlit as st

from strobe.ui.panel import derived
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import inert
from strobe.views import memorization


def say(page: Page) -> None:
    """Which runs of the store are studies, or how to make one; of a study that is not analysed yet, how to."""
    if page.rows[page.run].get("task") == "memorization":
        derived.ready(page.view, memorization.TABLES)
        return
    studies = [run for run, row in page.rows.items() if row.get("task") == "memorization"]
    if not studies:
        st.info(memorization.NONE)
        return
    st.info(inert(f"{page.title_of(page.run)} is no memorization study; the store has {len(studies)}."))
    with st.container(horizontal=True, gap="small"):
        for run in studies[:8]:
            st.button(inert(page.title_of(run)), key=f"study_{run}", on_click=_choose, args=(run,))


def _choose(run: str) -> None:
    st.session_state["runs"] = [run]
