"""How gradients, weights and movements spread over a run's tensors, snapshot by snapshot, and what is usual."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

from strobe.analysis.health import EXPLODING, HEALTHY_RATIO, VANISHING
from strobe.derive.health import MEASURED, SPREAD
from strobe.views.run_view import Answer, RunView, literal
from strobe.views.words import number

STATISTICS: Final = {"max": "largest", "p95": "95th percentile", "median": "median", "min": "smallest"}
_HIGHEST: Final = sys.float_info.max


@dataclass(frozen=True)
class Spread:
    """One quantity over the tensors of each snapshot: rows (series, step, value). At `partly` snapshots some tensors
    have no finite value, and are left out. `gap` is the longest number of steps between snapshots, None where there
    is one alone. `empty` where no snapshot has a value."""

    answer: Answer
    partly: int
    gap: int | None
    empty: bool


def spread(view: RunView, quantity: str) -> Spread:
    """`quantity` of table `health`, from the tables that ingest fills: no analysis is needed first."""
    section, value = MEASURED[quantity]
    inner = SPREAD.format(section=section, value=value).replace("$1", literal(view.run))
    answer = view.tables.ask(f"""SELECT name AS series, step, value, tensors, without, gap
FROM ({inner}) UNPIVOT INCLUDE NULLS (value FOR name IN (max, p95, median, min))
ORDER BY step, series""")
    rows = answer.table.to_pylist()
    # The first snapshot has nothing before it: that no tensor has a movement there is no loss.
    partly = {row["step"] for row in rows if row["without"] and row["tensors"]}
    gaps = [row["gap"] for row in rows if row["gap"] is not None]
    return Spread(answer, len(partly), max(gaps, default=None), all(row["value"] is None for row in rows))


def levels(quantity: str) -> list[tuple[float, float, str]]:
    """(from, to, in words) of what a quantity is compared with: thresholds of trouble, or the usual band."""
    if quantity == "gradient_l2":
        return [
            (EXPLODING, _HIGHEST, f"exploding: {EXPLODING:g} or more"),
            (0.0, VANISHING, f"vanishing: {number(VANISHING, 1)} or less"),
        ]
    if quantity == "update_ratio":
        return [(*HEALTHY_RATIO, f"usual: {HEALTHY_RATIO[0]:g} to {HEALTHY_RATIO[1]:g}")]
    return []
