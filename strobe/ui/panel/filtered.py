"""The rows of a heatmap of thousands: a box to filter them by name, and a choice of the stretch that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from strobe.ui.panel import choice
from strobe.views.filtering import MOST_ROWS, matching, window, windows

FEW: Final = 24
"""So many rows need no filter."""


def named(rows: Sequence[str], key: str = "tensor") -> list[str]:
    """The rows that the filter `key` finds, by a box in the row where it is called; all of few ones."""
    if len(rows) <= FEW:
        return list(rows)
    return matching(rows, choice.text(key, "Filter tensors", placeholder="Filter, as: attn layers.*.q"))


def shown(rows: Sequence[str]) -> tuple[list[str], list[str]]:
    """(the rows that the filter finds, those of them that are drawn), by a box and, of many, a choice of the stretch,
    in a line of their own."""
    if len(rows) <= FEW:
        return list(rows), list(rows)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        found = named(rows)
        stretches = windows(len(found))
        if len(found) <= MOST_ROWS:
            return found, found
        which = choice.select(
            "tensors_shown", "Tensors shown", stretches, words=lambda which: f"{which} of {len(found):,}", width=200
        )
    return found, window(found, which)
