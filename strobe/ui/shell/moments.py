"""The moments of a run, found once while the run does not change."""

from __future__ import annotations

from strobe.ui.shell.cache import cached_by_run
from strobe.views.milestones import Milestones, milestones
from strobe.views.run_view import RunView

found = cached_by_run(milestones)
"""`milestones(tables, run)`, kept."""


def milestones_of(view: RunView) -> Milestones:
    """The grokking onset and the peak of the test loss."""
    made: Milestones = found(view.tables, view.run)
    return made
