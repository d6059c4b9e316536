"""Weights: matrices, their spectra, and units that died."""

from strobe.ui.panel import second_run
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part
from strobe.ui.weights import activations as activation_panels
from strobe.ui.weights import panels

page = frame("weights")


@part("matrix")
def matrix() -> None:
    panels.matrix_row(page.view, other)


@part("activations")
def activations() -> None:
    activation_panels.panels(page.view)


other = second_run.beside(page)
matrix()
activations()
page.footer()
