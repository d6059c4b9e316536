"""Weights: matrices, their spectra, and units that died."""

from strobe.ui import activation_panels, weight_panels
from strobe.ui.frame import frame
from strobe.ui.parts import part

page = frame("weights")


@part("matrix")
def matrix() -> None:
    weight_panels.matrix_row(page)


@part("activations")
def activations() -> None:
    activation_panels.draw(page)


matrix()
activations()
page.footer()
