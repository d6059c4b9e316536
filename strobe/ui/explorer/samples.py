"""What the model writes at the cursor."""

from __future__ import annotations

from typing import Final

import streamlit as st

from strobe.ui.panel import panel
from strobe.ui.shell import cursor
from strobe.ui.shell.cache import cached_by_run
from strobe.ui.shell.parts import follow_server
from strobe.ui.shell.words import escaped
from strobe.views import samples
from strobe.views.run_view import RunView, literal

_MOST: Final = 2_000

has = cached_by_run(samples.has)
_at = cached_by_run(samples.at)


def draw(view: RunView) -> None:
    """The samples of the snapshot at which the cursor rests."""
    follow_server()
    written: samples.Written = _at(view, view.at_or_before(cursor.step()))
    with panel.head("samples"):
        panel.title("What it writes", badge=f"step {written.step:,}")
    if not written.samples:
        panel.caption(written.reason)
        return
    rows = "".join(
        f'<tr><th scope="row">{k}</th><td><span>{escaped(given, _MOST)}</span>{escaped(text, _MOST)}</td></tr>'
        for k, (given, text) in enumerate(written.samples)
    )
    st.html(f'<div class="st-samples"><table>{rows}</table></div>')
    panel.tools(
        "samples", "Grey: what it was given. The same beginnings and the same dice at every snapshot. The table "
        "`samples` has all steps once `strobe analyze` has run.",
        [f"SELECT step, sample, given, continuation FROM samples\nWHERE run = {literal(view.run)}"],
        written.table, None,
    )  # fmt: skip
