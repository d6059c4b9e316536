"""The frame of a page that needs no run: its title, and in the sidebar the menu and who may write."""

from __future__ import annotations

import streamlit as st

from strobe.settings import read_only
from strobe.ui.shell import address, components, registry, writing
from strobe.ui.shell.page import dress, through_the_router
from strobe.ui.shell.start import read_only_line, store_name
from strobe.ui.shell.words import markup


def frame_without_runs(name: str) -> bool:
    """Draws the frame of page `name`; whether this session may write, without which there is nothing to do on it."""
    writing.take()
    through_the_router()
    address.begin(name)
    spec = registry.specs()[name]
    st.set_page_config(
        page_title=f"{spec.title} · Strobe", page_icon=str(components.STATIC / "icon.svg"), layout="wide"
    )
    dress()
    with st.sidebar:
        markup('<p class="st-caption">Store: {name}</p>', name=store_name())
        read_only_line()
        components.menu()(key="menu")
    st.html(f'<div class="st-head"><h1>{spec.title}</h1><p>{spec.answers}</p></div>')
    if not writing.on():
        _how_to_write()
    return writing.on()


def _how_to_write() -> None:
    how = (
        "This server is read-only: nothing can be started from it."
        if read_only()
        else "This browser may not write: open the address that the server printed as it started, token and all."
    )
    st.info(how, icon=":material/lock:")
    st.markdown("Start the app on your own machine, or train in a terminal and look at it here:")
    st.code(
        "strobe app\n\nstrobe jobs add train modadd --preset small   # queued, read into the store, analyzed\n"
        "strobe jobs list",
        language="bash",
    )
