"""The selected run in a few words: what it is, how it went, what was thinned, where to look next."""

from __future__ import annotations

import contextlib

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from strobe.ui.panel import panel
from strobe.ui.shell import registry
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import dot_style, escaped, inert
from strobe.views.loss_check import loss_check
from strobe.views.recording import losses, origin
from strobe.views.words import count, parameters, thinned


def draw(page: Page) -> None:
    """A heading, one line of facts, one line of milestones, what is in doubt, and what is missing."""
    row = page.rows[page.run]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        facts = _facts(page)
        st.html(
            f'<p class="st-title"><span class="st-dot" style="{dot_style(page.looks[page.run])}"></span> '
            f'{escaped(page.title_of(page.run))} <span class="st-facts">{escaped(facts)}</span></p>'
        )
        _link("curves", "Open its curves")
    _milestones(page)
    checked = loss_check(page.view)
    if checked.fires:
        st.warning(inert(checked.sentence(), panel.MOST_WORDS))
    elif checked.compared and checked.untold:
        panel.caption(checked.sentence())
    if said := origin(page.view):
        panel.caption(said)
    if lost := losses(page.view):
        st.warning(inert(f"{str(row.get('status') or 'unknown').capitalize()}; {lost}.", panel.MOST_WORDS))
    what = thinned(row.get("reduced"))
    if what:
        panel.caption(f"Thinned to travel: {what}.")
    if not page.view.steps:
        panel.caption(
            "This run has no snapshots: the cursor moves over the steps that it logged, and no model is shown."
        )


def _milestones(page: Page) -> None:
    """What the rules for grokking and for a peak answer, and the rules themselves."""
    panel.caption(page.milestones.sentence())
    if rules := page.milestones.rules():
        panel.caption(f"Rules. {rules}")


def _facts(page: Page) -> str:
    row = page.rows[page.run]
    facts = []
    if row.get("n_layer"):
        facts.append(
            f"{row['n_layer']} layer{'s' if row['n_layer'] > 1 else ''}, {row['n_head']} heads, width {row['n_embd']}"
        )
    if row.get("n_params"):
        facts.append(f"{parameters(row['n_params'])} parameters")
    facts.append(f"{count(row.get('steps'))} steps")
    facts.append(f"{len(page.view.steps)} snapshots")
    return " · ".join(facts)


def _link(name: str, label: str) -> None:
    """A link to another page; none where the page runs without the router, as in a test of its file alone."""
    if name in registry.specs():
        with contextlib.suppress(StreamlitPageNotFoundError):
            st.page_link(
                registry.specs()[name].file, label=label, icon=":material/arrow_forward:", icon_position="right"
            )
