"""Compare: what several runs did and used, on the same axes."""

import streamlit as st

from strobe.plot.compared import Dressed, panel_figure, sheet
from strobe.ui.compare import board, naming, options, tables
from strobe.ui.compare.reading import uses as read
from strobe.ui.panel import panel
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part
from strobe.views.compared import MOST_RUNS, panels
from strobe.views.words import listed

page = frame("compare", cursor=False)
uses, lost = read(page, page.runs[:MOST_RUNS])
runs = [use.run for use in uses]


@part("panels")
def six() -> None:
    with panel.head("compare"):
        with st.container(horizontal=True, width="content", gap="small", vertical_alignment="bottom"):
            laid = options.laid(page, runs)
        naming.offer(page, runs)
    board.signs()
    found, dressed = panels(uses, laid), Dressed(page.looks, laid, len(runs) > 1)
    board.draw(page, found, laid, lambda one: panel_figure(one, dressed))
    words = "All panels on one sheet, and every row that they are made of."
    board.tools(page, "compare_sheet", words, runs, lambda: sheet(found, dressed, runs)[0])


@part("results")
def results() -> None:
    with panel.head("compare_results"):
        panel.title("Results")
        price = options.price()
    tables.results_table(page, uses, options.named(page, runs), price)


@part("settings")
def settings() -> None:
    panel.title("Settings that differ")
    tables.settings_table(page, uses, options.named(page, runs))


if len(page.runs) > MOST_RUNS:
    others = listed(list(map(page.title_of, page.runs[MOST_RUNS:])))
    panel.caption(f"{MOST_RUNS} of {len(page.runs)} selected runs are drawn, without {others}.")
for sentence in lost:
    panel.caption(sentence)
if uses:
    six()
    results()
    settings()
page.footer()
