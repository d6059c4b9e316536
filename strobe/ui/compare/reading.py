"""The runs of the page as they are compared: one that cannot be read costs no other."""

from __future__ import annotations

from etl.errors import StrobeError
from strobe.ui.shell.cache import cached_by_run
from strobe.ui.shell.page import Page
from strobe.views.run_use import RunUse, run_use
from strobe.views.run_view import RunView

_use = cached_by_run(run_use)


def uses(page: Page, runs: list[str]) -> tuple[list[RunUse], list[str]]:
    """What the runs did and used, and of those that cannot be read why, a sentence each."""
    found, lost = [], []
    for run in runs:
        try:
            found.append(_use(RunView(page.of(run), run)))
        except (StrobeError, OSError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            lost.append(f"{page.title_of(run)} cannot be read and is left out: {reason}.")
    return found, lost
