"""Health: whether every tensor learns, and where it does not."""

from strobe.ui.health import panels
from strobe.ui.shell.page import frame
from strobe.ui.shell.parts import part

page = frame("health")


@part("alerts")
def alerts() -> None:
    panels.alerts(page.view)


@part("spreads")
def spreads() -> None:
    panels.spreads(page.view)


@part("movement")
def movement() -> None:
    panels.movement(page.view)


alerts()
spreads()
movement()
page.footer()
