"""A popover in which runs get other names and colours."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st

from etl.store.manage import annotate_run, rename_run
from strobe.charts.theme import run_looks
from strobe.ui.panel import panel
from strobe.ui.shell import appearance, writing
from strobe.ui.shell.page import Page, colours


def offer(page: Page, runs: list[str]) -> None:
    """A row a run; what is changed counts on every page and is in the link."""
    looks = run_looks(runs, colours(page.reader, runs))
    with st.popover("Names and colours", icon=":material/palette:", key="compare_naming"):
        for run in runs:
            with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
                _name(page, run)
                _colour(page, run, looks[run].colour)
        if st.button("Back to their own", key="compare_own", on_click=_forget, args=(runs,), type="tertiary"):
            st.rerun()
        panel.caption("Kept in the address, so that a link shows them, and on every page until the app is closed.")
        _offer_to_keep(page, runs)


def _name(page: Page, run: str) -> None:
    key, own = f"compare_name_{run}", str(page.rows[run].get("name") or run)
    st.session_state.setdefault(key, page.title_of(run)[: appearance.MOST_CHARACTERS])
    st.text_input(f"Name of {run}", key=key, max_chars=appearance.MOST_CHARACTERS, width=260)
    if st.session_state[key] != page.title_of(run)[: appearance.MOST_CHARACTERS]:
        appearance.call(run, st.session_state[key], own)
        st.rerun()


def _colour(page: Page, run: str, own: str) -> None:
    key = f"compare_colour_{run}"
    st.session_state.setdefault(key, page.looks[run].colour)
    st.color_picker(f"Colour of {run}", key=key, label_visibility="collapsed")
    if st.session_state[key].lower() != page.looks[run].colour.lower():
        appearance.paint(run, st.session_state[key], own)
        st.rerun()


def _offer_to_keep(page: Page, runs: list[str]) -> None:
    """A button that writes names and colours into the store, where this session may write; the example's stay."""
    own = [run for run in runs if not page.reader.catalogue.pointer(run)[0].attached]
    if writing.on() and own and st.button("Keep in the store", key="compare_keep"):
        kept = [writing.done(partial(_keep, page, run)) for run in own]
        if all(kept):
            _forget(runs)
            st.rerun()


def _keep(page: Page, run: str) -> None:
    files = page.reader.catalogue.pointer(run)[0]
    if (name := page.title_of(run)) != str(page.rows[run].get("name") or run):
        rename_run(files, run, name)
    painted = str(st.session_state[f"compare_colour_{run}"]).lower()
    annotate_run(files, run, lambda said: replace(said, colour=painted))


def _forget(runs: list[str]) -> None:
    appearance.forget()
    for run in runs:
        for what in ("name", "colour"):
            st.session_state.pop(f"compare_{what}_{run}", None)
