"""Panels whose settled step is shown before the other steps are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

Later = Callable[[], None]
"""Reads what a panel still lacks and draws it again."""
FEW: Final = 3
"""Steps that are read before a panel is first drawn."""


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
