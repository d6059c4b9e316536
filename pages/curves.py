"""Curves: how it went."""

from strobe.ui.curves import board, options
from strobe.ui.curves import tensors as tensor_panel
from strobe.ui.curves import transitions as transition_panel
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("curves")


@part("metrics", grows=True)
def metrics() -> None:
    board.draw(page, chosen)


@part("tensors")
def tensors() -> None:
    tensor_panel.draw(page)


@part("transitions")
def transitions() -> None:
    transition_panel.draw(page.view)


chosen = options.controls(page)
metrics()
tensors()
transitions()
page.footer()
