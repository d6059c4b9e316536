"""The table `health`: how gradients, weights and movements spread over a run's tensors, snapshot by snapshot.

A constant number of rows a snapshot, whatever the number of tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from etl.store.catalogue import Catalogue
from strobe.derive.analysis import BIGINT, DOUBLE, TEXT, Row, TableAnalysis, nothing
from strobe.derive.health_tensors import TROUBLES

LEFT_OUT: Final = "without a finite value"
_STATISTICS: Final = ("median", "p95", "min", "max", "tensors")
MEASURED: Final = {
    "gradient_l2": ("grads", "l2"),
    "weight_l2": ("params", "l2"),
    "update_ratio": ("params", "if(before = 0, NULL, update_ratio)"),
}
"""Quantity -> the section of `tensors` that it is taken of, and the value of a row; `before` is the L2 norm at the
snapshot before. A movement from 0 has no size relative to where it began."""

# The p95 of n values is the ceil(0.95 n)-th smallest, which is what quantile_disc takes.
SPREAD: Final = """
SELECT step, median(value) AS median, quantile_disc(value, 0.95) AS p95, min(value) AS min, max(value) AS max,
  count(value) AS tensors, count(*) - count(value) AS without, max(gap) AS gap
FROM (
  SELECT step, if(isfinite({value}), {value}, NULL)::DOUBLE AS value, gap
  FROM (
    SELECT *, step - lag(step) OVER earlier AS gap, lag(l2) OVER earlier AS before
    FROM tensors WHERE run = $1 AND section = '{section}'
    WINDOW earlier AS (PARTITION BY tensor, layer ORDER BY step)
  )
)
GROUP BY step ORDER BY step
"""
"""The spread of a value over the tensors of a section of the run $1, snapshot by snapshot; `without` of them have no
finite value, `gap` is the longest number of steps since a snapshot before, NULL at the first."""
_TROUBLED = f"SELECT step, kind, count(*) AS n FROM ({TROUBLES}) GROUP BY step, kind ORDER BY step, kind"


def rows(catalogue: Catalogue, run: str) -> list[Row]:
    """Spread of each quantity over the tensors of a snapshot, and how many tensors have which trouble."""
    return [*_spread_rows(catalogue, run), *_trouble_rows(catalogue, run)]


def _spread_rows(catalogue: Catalogue, run: str) -> Iterator[Row]:
    for quantity, (section, value) in MEASURED.items():
        for row in catalogue.query(SPREAD.format(section=section, value=value), [run]).to_pylist():
            note = _note(quantity, row)
            for statistic in _STATISTICS:
                yield {
                    "step": row["step"], "quantity": quantity, "statistic": statistic, "value": row[statistic],
                    "note": note,
                }  # fmt: skip


def _note(quantity: str, row: dict[str, Any]) -> str | None:
    """What the numbers are of, where that is not all there is to it."""
    notes = []
    if quantity == "update_ratio" and row["gap"] is None:
        return "the first snapshot: nothing to compare with"
    if quantity == "update_ratio" and row["gap"] > 1:
        notes.append(f"net movement over {row['gap']:,} steps, a step")
    if row["without"]:
        notes.append(f"{row['without']:,} {LEFT_OUT}")
    return "; ".join(notes) or None


def _trouble_rows(catalogue: Catalogue, run: str) -> Iterator[Row]:
    for row in catalogue.query(_TROUBLED, [run]).to_pylist():
        yield {"step": row["step"], "quantity": row["kind"], "statistic": "tensors", "value": float(row["n"])}


ANALYSIS = TableAnalysis(
    table="health",
    definition=4,
    order=2000,
    columns=(("step", BIGINT), ("quantity", TEXT), ("statistic", TEXT), ("value", DOUBLE)),
    needs=nothing,
    sources=("tensors", "attempts"),
    rows=rows,
)
