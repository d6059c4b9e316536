"""Health: whether every tensor learns, and where it does not."""

from strobe.ui.health import adam, moment, panels
from strobe.ui.health import spreads as over_training
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("health")


@part("alerts")
def alerts() -> None:
    panels.alerts(page.view)


@part("worst")
def worst() -> None:
    moment.worst(page.view)


@part("spreads")
def spreads() -> None:
    over_training.spreads(page.view)


@part("movement")
def movement() -> None:
    over_training.movements(page.view)


@part("moments")
def moments() -> None:
    adam.moments(page.view)


alerts()
spreads()
worst()
movement()
moments()
page.footer()
