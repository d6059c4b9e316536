"""How runs are laid beside each other, the target of their tokens, and what an hour of a device costs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import streamlit as st

from strobe.ui.panel import choice
from strobe.ui.shell import address
from strobe.ui.shell.page import Page
from strobe.views.compared import Laid
from strobe.views.results import Price
from strobe.views.run_use import Axis
from strobe.views.tokens_seen import PER_PARAMETER

_WORDS: Final[dict[Axis, str]] = {"step": "Steps", "tokens": "Tokens", "time": "Time", "onset": "Onset"}
_MOST: Final = 1e6
_TARGET: Final = f"Tokens a parameter; {PER_PARAMETER:g} is what Hoffmann et al. (2022) found."
_PRICE: Final = "Of one device and hour, in any money: it gives the costs in the table."


def laid(page: Page, runs: list[str]) -> Laid:
    """The axis that was chosen, with the onset of each run where it is needed, and the target."""
    words = {str(axis): word for axis, word in _WORDS.items()}
    chosen = choice.segmented("along", "Laid beside each other by", list(words), "step", words=words)
    axis = next(axis for axis in _WORDS if axis == chosen)
    onsets: dict[str, int | None] = {}
    for run in runs if axis == "onset" else ():
        onset = page.milestones_of(run).onset
        onsets[run] = onset.step if onset is not None else None
    target = _number("target", "Target, tokens a parameter", PER_PARAMETER, _TARGET)
    return replace(named(page, runs), axis=axis, onsets=onsets, per_parameter=target or PER_PARAMETER)


def named(page: Page, runs: list[str]) -> Laid:
    """The runs by their titles; by their ids too where two are called alike."""
    titles = {run: page.title_of(run) for run in runs}
    called = list(titles.values())
    return Laid(titles={run: own if called.count(own) == 1 else f"{own} ({run})" for run, own in titles.items()})


def price() -> Price:
    """Of one device and hour, where one was given."""
    given = _number("price", "Price of a device and hour", None, _PRICE)
    return Price(given, st.session_state.get("target") or PER_PARAMETER)


def _number(name: str, label: str, default: float | None, about: str) -> float | None:
    """A number above 0: of a link, else as it was left; what a link says wrong is noted."""
    asked = address.arrived(name)
    if asked is not None:
        value = _positive(asked[0])
        if value is None:
            address.note(f"The link asks for {name} {address.short(asked[0])!r}; it is a number above 0.")
        else:
            st.session_state[name] = value
    st.session_state.setdefault(name, default)
    st.number_input(
        label, key=name, min_value=0.0, max_value=_MOST, persist_state="session", help=about, width=220,
        placeholder="none",
    )  # fmt: skip
    chosen: float | None = st.session_state[name] or None
    address.write(name, None if chosen is None or chosen == default else f"{chosen:g}")
    return chosen


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 < value <= _MOST else None
