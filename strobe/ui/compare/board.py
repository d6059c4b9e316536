"""The six panels, in a grid under one legend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import streamlit as st

from strobe.charts.figure import Figure
from strobe.charts.overlay import Overlay, OverlayLine, OverlayMark
from strobe.charts.theme import DARK, LIGHT
from strobe.ui.panel import panel as shown
from strobe.ui.shell.page import Page
from strobe.views.compared import Laid, Panel
from strobe.views.run_view import literal
from strobe.views.training_log import NAMES

_ACROSS: Final = 3
_SIGNS: Final = (
    "Dots: validation. Dashed: peak, counted or recomputed. Dotted across: mean, target or capacity. Ring: the "
    "end of a warm-up, or of finite losses."
)


def signs() -> None:
    """What dots and dashes are; the colours of the runs stand in the header."""
    shown.caption(_SIGNS)


def draw(page: Page, panels: Sequence[Panel], laid: Laid, figure: Callable[[Panel], Figure]) -> None:
    """All panels; one without lines says what there is not."""
    for first in range(0, len(panels), _ACROSS):
        for column, one in zip(st.columns(_ACROSS, gap="medium"), panels[first : first + _ACROSS], strict=False):
            with column:
                _one(page, one, laid, figure)


def _one(page: Page, one: Panel, laid: Laid, figure: Callable[[Panel], Figure]) -> None:
    shown.title(one.title)
    said = " ".join(one.remarks)
    if not one.lines:
        shown.caption(said or "Nothing was recorded.")
        return
    overlay = _overlay(page, one, laid)
    spec = overlay.spec(DARK if st.context.theme.type == "dark" else LIGHT)
    st.vega_lite_chart(overlay.table(), spec=spec, theme=None, width="stretch", key=f"compare_{one.key}")
    runs = list(dict.fromkeys(line.run for line in one.lines))
    tools(page, f"compare_{one.key}", said, runs, lambda: figure(one))


def tools(page: Page, key: str, words: str, runs: Sequence[str], figure: Callable[[], Any]) -> None:
    """What is said of a panel, or of all, with every row that it is made of and itself as a figure."""
    sql = (
        "SELECT run, name, step, value, time, tokens FROM scalars\n"
        f"WHERE run IN ({', '.join(map(literal, runs))})\n"
        f"  AND name IN ({', '.join(map(literal, NAMES))})\nORDER BY run, name, step"
    )
    shown.tools(key, words, [sql], lambda: page.of(*runs).once(sql), figure)


def _overlay(page: Page, one: Panel, laid: Laid) -> Overlay:
    lines = []
    for line in one.lines:
        look = page.looks[line.run]
        label = " · ".join(part for part in (laid.title(line.run), line.word) if part)
        lines.append(OverlayLine(label, look.colour, look.dash(line.dash), line.step, line.x, line.y, line.points))
    marks = [
        OverlayMark(_who(laid, rule.run, rule.word), page.looks[rule.run].colour if rule.run else "", rule.y)
        for rule in one.rules
    ]
    for moment in one.moments:
        line = next(line for line in one.lines if line.run == moment.run)
        there = np.isfinite(line.x) & np.isfinite(line.y)
        y = float(np.interp(moment.x, line.x[there], line.y[there]))
        words = _who(laid, moment.run, moment.word)
        marks.append(OverlayMark(words, page.looks[moment.run].colour, y, moment.x))
    return Overlay(lines, marks, one.x_title, one.y_title, one.log, one.perplexity)


def _who(laid: Laid, run: str, word: str) -> str:
    return f"{laid.title(run)}: {word}" if run else word
