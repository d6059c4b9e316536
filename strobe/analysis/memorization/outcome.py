"""What one test found: its statistic, the effect with its interval, and the chance of it by accident."""

from __future__ import annotations

import math
from typing import NamedTuple


class Outcome(NamedTuple):
    """`effect` between `low` and `high` (95%), and p, two-sided and uncorrected. Where nothing can be told all are
    NaN and `reason` says why; an interval alone may be NaN as well."""

    statistic: float
    effect: float
    low: float
    high: float
    p: float
    reason: str = ""


def cannot_tell(reason: str) -> Outcome:
    """No test, and why."""
    return Outcome(math.nan, math.nan, math.nan, math.nan, math.nan, reason)
