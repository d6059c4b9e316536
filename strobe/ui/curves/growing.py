"""The points of curves of runs that are being recorded: one version of each is kept for all pages, and grows."""

from __future__ import annotations

from typing import Any, cast

from strobe.ui.shell.cache import shared
from strobe.views.curves import Curve, Points
from strobe.views.growing import Grown, grown
from strobe.views.run_view import Tables


def points(tables: Tables, curve: Curve, axis: str) -> Points:
    """Every point of a curve: what was logged since the last look is read, and the rest is kept from then."""
    key = ("growing", tables.key[0], curve, axis)
    before: dict[Any, Any] = shared().known([key])
    made = grown(tables, curve, axis, cast("Grown | None", before.get(key)))
    shared().put(key, made)
    return made.points
