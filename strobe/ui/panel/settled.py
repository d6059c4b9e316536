"""Panels whose settled step is shown before the other steps are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from strobe.ui.shell.page import Frame

Later = Callable[[], None]
"""Reads what a panel still lacks and draws it again."""
FEW: Final = 3
"""Steps that are read before a panel is first drawn."""


def settled(page: Frame) -> int:
    """The step that a panel made now shows: the session's, since a fragment's own frame is as old as the last whole
    rerun."""
    asked = cursor(page) + page.shift
    return max((step for step in page.steps if step <= asked), default=page.steps[0] if page.steps else asked)


def cursor(page: Frame) -> int:
    """Where the cursor came to rest, whether this run has a snapshot there or not; 0 before there is a cursor."""
    step = st.session_state.get("step", page.step)
    return int(step) if step is not None else 0


def index(page: Frame, steps: Sequence[int]) -> int:
    """Which of a panel's frames, at `steps`, the settled step shows."""
    at = settled(page)
    return max((k for k, step in enumerate(steps) if step <= at), default=0)


def at_once(missing: Sequence[int], draw: Callable[[bool], None]) -> Later:
    """Draws a panel: `draw(True)` with all its steps, or where many of them are `missing` `draw(False)` with the
    settled one, and the function that is returned does the rest."""
    place = st.empty()
    # The settled step takes some ten milliseconds: with one or two more there is nothing to wait for.
    whole = len(missing) < FEW

    def all_of_it() -> None:
        with place.container():
            draw(True)

    with place.container():
        draw(whole)
    return (lambda: None) if whole else all_of_it
