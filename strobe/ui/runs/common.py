"""What the selected runs have in common, and a small table of where they differ."""

from __future__ import annotations

import streamlit as st

from strobe.ui.panel import panel
from strobe.ui.shell.page import Page
from strobe.ui.shell.words import dot_style, escaped
from strobe.views.run_differences import differences, short
from strobe.views.words import visible

_MOST_IN_COMMON = 30


def draw(page: Page) -> None:
    """Nothing of one run alone."""
    if len(page.runs) < 2:
        return
    found = differences([page.rows[run].get("config") for run in page.runs])
    panel.say(found.sentence(len(page.runs)))
    if found.rows:
        heads = "".join(
            f'<th scope="col"><span class="st-chip"><i style="{dot_style(page.looks[run])}"></i>'
            f"{escaped(page.title_of(run), 24)}</span></th>"
            for run in page.runs
        )
        body = "".join(
            f'<tr><th scope="row">{escaped(key, 60)}</th>'
            + "".join(f"<td>{escaped(short(value))}</td>" for value in values)
            + "</tr>"
            for key, values in found.rows
        )
        st.html(
            f'<div class="st-differ" tabindex="0" role="region" aria-label="Where the runs differ"><table>'
            f"<thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        )
        if found.more:
            panel.caption(f"And {found.more:,} more settings.")
    if found.common:
        shown = [f"{visible(key)} {short(value)}" for key, value in list(found.common.items())[:_MOST_IN_COMMON]]
        more = f" and {len(found.common) - len(shown):,} more" if len(found.common) > len(shown) else ""
        panel.caption(f"In common: {', '.join(shown)}{more}.")
