"""The moments of a run, drawn as marks on charts over steps."""

from __future__ import annotations

from strobe.charts.curves import Mark
from strobe.charts.theme import SERIES
from strobe.ui.shell.moments import milestones_of
from strobe.views.run_view import RunView


def step_marks(view: RunView) -> list[Mark]:
    """Where the phases of grokking begin: the training set known, and the onset of generalisation."""
    onset = milestones_of(view).onset
    marks = []
    if onset is not None and onset.fitted is not None:
        marks.append(Mark(float(onset.fitted), f"training set known {onset.fitted:,}", SERIES[1]))
    if onset is not None and onset.step is not None:
        marks.append(Mark(float(onset.step), f"onset {onset.step:,}", SERIES[2]))
    return marks
