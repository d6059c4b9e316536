"""What visitors call runs, and their colours for them: kept with the session and in the link, on every page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from strobe.charts.theme import Look
from strobe.ui.shell import address

MOST_CHARACTERS: Final = 100
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_NAMES, _COLOURS = "name", "colour"


def choose(runs: Sequence[str]) -> None:
    """At the beginning of a page: takes what a link says of runs, and puts into the URL what is said of `runs`."""
    for what in (_NAMES, _COLOURS):
        kept: dict[str, str] = st.session_state.setdefault(f"_{what}s", {})
        for value in address.arrived(what) or ():
            run, colon, said = value.partition(":")
            if not colon or not _means(what, said):
                address.note(f"The link has a {what} {address.short(value)!r} that means nothing.")
            else:
                kept[run] = said[:MOST_CHARACTERS]
        address.write(what, [f"{run}:{kept[run]}" for run in runs if run in kept] or None)


def _means(what: str, said: str) -> bool:
    return bool(_COLOUR.fullmatch(said)) if what == _COLOURS else bool(said.strip())


def names() -> Mapping[str, str]:
    """Run -> what the visitor calls it."""
    found: dict[str, str] = st.session_state.get("_names", {})
    return found


def call(run: str, name: str, own: str) -> None:
    """From now on the run is called `name`; its `own` name, or none, takes that back."""
    kept: dict[str, str] = st.session_state.setdefault("_names", {})
    kept.pop(run, None)
    if name.strip() and name != own:
        kept[run] = name.strip()[:MOST_CHARACTERS]


def paint(run: str, colour: str, own: str) -> None:
    """From now on the run has this colour ("#RRGGBB"); its `own` takes that back."""
    kept: dict[str, str] = st.session_state.setdefault("_colours", {})
    kept.pop(run, None)
    if _COLOUR.fullmatch(colour) and colour.lower() != own.lower():
        kept[run] = colour


def forget() -> None:
    """Every run has its own name and colour again."""
    st.session_state["_names"], st.session_state["_colours"] = {}, {}


def dressed(looks: Mapping[str, Look]) -> dict[str, Look]:
    """The looks of runs in the visitor's colours."""
    chosen: dict[str, str] = st.session_state.get("_colours", {})
    return {run: Look(chosen[run]) if run in chosen else look for run, look in looks.items()}
