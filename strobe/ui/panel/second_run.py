"""A second selected run beside the first: whether it is drawn, at which step of its own, and which are not drawn."""

from __future__ import annotations

import streamlit as st

from strobe.ui.panel import choice, panel
from strobe.ui.shell.moments import milestones_of
from strobe.ui.shell.page import Page
from strobe.views.run_view import RunView
from strobe.views.words import listed

CHOICES = {"no": "One run", "step": "Beside it, at the same step", "onset": "Beside it, from the onset on"}
SUFFIX = "_beside"
"""Ends the keys of the panels of the second run."""


def offered(page: Page, name: str = "beside", default: str = "no") -> RunView | None:
    """The second selected run as it is looked at beside the first, where that is asked for by the parameter `name`:
    at the same step, or as far from its own grokking onset as the first run is from its (where both have one)."""
    if len(page.runs) < 2:
        return None
    asked = choice.segmented(
        name, "Second run", list(CHOICES), default, words=CHOICES, labelled=True,
        help="The second run that is ticked in the sidebar.",
    )  # fmt: skip
    if asked == "no":
        return None
    other = page.view_of(page.runs[1])
    if not other.steps:
        panel.caption(f"{other.title} has no snapshots to show beside the first.")
        return None
    shift = _between_onsets(page.view, other) if asked == "onset" else 0
    if asked == "onset" and not shift:
        panel.caption("Shown at the same step: both runs need a grokking onset to be aligned there.")
    elif shift:
        panel.caption(f"{other.title} is shown {abs(shift):,} steps {'later' if shift > 0 else 'earlier'}.")
    return other.shifted(shift)


def beside(page: Page) -> RunView | None:
    """The same for a page that has its main panels of both runs unless one alone is asked for, and the others of the
    first; which are drawn is said."""
    if len(page.runs) < 2:
        return None
    with st.container(key="second_run"):
        other = offered(page, "two", "step") if page.view.steps else None
        drawn = page.runs[: 2 if other is not None else 1]
        left = listed([page.title_of(run) for run in page.runs[len(drawn) :]])
        names = " and ".join(page.title_of(run) for run in drawn)
        many = f"the first {'two ' if other is not None else ''}of {len(page.runs):,} selected runs"
        rest = f", {many}; not {left}" if left else " side by side, on one scale"
        alone = f" The panels without a name are of {page.view.title}." if other is not None else ""
        panel.caption(f"Drawn: {names}{rest}.{alone}")
    return other


def _between_onsets(first: RunView, other: RunView) -> int:
    """Steps from the onset of the first run to that of the other; 0 where one has none."""
    onsets = [milestones_of(view).onset for view in (first, other)]
    steps = [onset.step for onset in onsets if onset is not None and onset.step is not None]
    return steps[1] - steps[0] if len(steps) == 2 else 0
