"""Explorer: one moment, everywhere at once."""

from strobe.ui.explorer import changes as changed
from strobe.ui.explorer import panels, samples
from strobe.ui.panel import panel, second_run
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("explorer")


@part("timeline", grows=True)
def timeline() -> None:
    panels.timeline(page)


@part("samples")
def written() -> None:
    samples.draw(page.view)


@part("inside")
def inside() -> None:
    layer, matrix = panels.pickers(page.view)
    other = second_run.offered(page)
    if other is not None:
        panels.side_by_side(page.view, other, layer, matrix)
    else:
        panels.one_run(page.view, layer, matrix)


@part("changes")
def changes() -> None:
    changed.draw(page.view)


timeline()
if page.view.steps:
    if samples.has(page.view):
        written()
    inside()
    changes()
else:
    panel.caption("This run has no snapshots, so there is no inside to look at.")
page.footer()
