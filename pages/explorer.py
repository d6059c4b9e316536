"""Explorer: one moment, everywhere at once."""

import streamlit as st

from strobe.ui.explorer import changes as change_panel
from strobe.ui.explorer import panels as explorer_panels
from strobe.ui.panel import panel
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("explorer")


@part("timeline")
def timeline() -> None:
    explorer_panels.timeline(page)


@part("inside")
def inside() -> None:
    layer, matrix = explorer_panels.pickers(page)
    other = explorer_panels.second(page)
    left, right = st.columns(2, gap="medium")
    if other is not None:
        with left:
            first = explorer_panels.stack(page, layer, matrix)
        with right:
            explorer_panels.stack(other, layer, matrix)()
        first()
        return
    with left:
        explorer_panels.attention(page, layer)
        later = explorer_panels.weights(page, matrix) if matrix is not None else None
    with right:
        explorer_panels.embedding(page)
        explorer_panels.frequencies(page, matrix)
    if later is not None:
        later()


@part("changes")
def changes() -> None:
    change_panel.draw(page)


timeline()
if page.steps:
    inside()
    changes()
else:
    panel.caption("This run has no snapshots, so there is no inside to look at.")
page.footer()
