"""The moments of a run as marks on charts over steps."""

from __future__ import annotations

from strobe.charts.curves import Mark
from strobe.charts.theme import SERIES
from strobe.ui.shell.page import Page


def step_marks(page: Page) -> list[Mark]:
    """Where the phases of grokking begin: the training set known, and the onset of generalisation."""
    onset = page.milestones.onset
    marks = []
    if onset is not None and onset.fitted is not None:
        marks.append(Mark(float(onset.fitted), f"training set known {onset.fitted:,}", SERIES[1]))
    if onset is not None and onset.step is not None:
        marks.append(Mark(float(onset.step), f"onset {onset.step:,}", SERIES[2]))
    return marks
