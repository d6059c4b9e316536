"""Explorer: one moment, everywhere at once."""

import streamlit as st

from strobe.ui import change_panel, explorer_panels, panels
from strobe.ui.frame import frame
from strobe.ui.parts import part

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
    panels.caption("This run has no snapshots, so there is no inside to look at.")
page.footer()
