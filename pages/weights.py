"""Weights: matrices, their spectra, and units that died."""

from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part
from strobe.ui.weights import activations as activation_panels
from strobe.ui.weights import panels

page = frame("weights")


@part("matrix")
def matrix() -> None:
    panels.matrix_row(page.view)


@part("activations")
def activations() -> None:
    activation_panels.panels(page.view)


matrix()
activations()
page.footer()
