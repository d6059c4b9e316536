"""Where a curve is not finite: stretches that a chart shades, and marks at the edge where values are beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strobe.views import curve_sql
from strobe.views.curves import Curve
from strobe.views.run_view import Tables

MOST: Final = 200
"""Stretches of one curve."""


@dataclass(frozen=True)
class Lost:
    """A stretch of x without a finite value between: its ends, its first step, and how many of its values are NaN,
    infinity (up) and minus infinity (down)."""

    start: float
    end: float
    step: int
    nan: int
    up: int
    down: int


def lost(tables: Tables, curve: Curve, axis: str = "step", origin: float = 0.0) -> Sequence[Lost]:
    """The stretches of a curve that are not finite, in the order of x, at most MOST of them."""
    rows = tables.ask(curve_sql.not_finite(curve.run, curve.metric, axis, most=MOST)).table.to_pylist()
    return tuple(
        Lost(row["x_from"] - origin, row["x_to"] - origin, row["first"], row["nan"], row["up"], row["down"])
        for row in rows
    )
