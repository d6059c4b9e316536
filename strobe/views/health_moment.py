"""Which tensors stand out at one step, and where a run first stopped being finite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from strobe.views.run_view import Answer, RunView, Tables, literal
from strobe.views.words import count, visible

NAMED: Final = 3
"""Tensors named at each end."""


def worst_at(view: RunView, step: int) -> Answer:
    """quantity ("gradient", "movement"), end ("largest", "smallest"), tensor, layer, value: the tensors at both ends
    of what was measured at the snapshot of `step`, at most three each. What is 0 or not finite is among the
    alerts, and what was 0 at the snapshot before has no movement relative to that."""
    return view.tables.ask(f"""WITH params AS (
  SELECT * FROM tensors WHERE run = {literal(view.run)} AND section = 'params'
), before AS (
  SELECT * FROM params WHERE step = (SELECT max(step) FROM params WHERE step < {step})
), measured AS (
  SELECT 'gradient' AS quantity, tensor, layer, l2::DOUBLE AS value FROM tensors
  WHERE run = {literal(view.run)} AND step = {step} AND section = 'grads' AND l2 > 0 AND isfinite(l2)
  UNION ALL
  SELECT 'movement', tensor, layer, update_ratio::DOUBLE FROM params
  WHERE step = {step} AND update_ratio > 0 AND isfinite(update_ratio) AND (tensor, coalesce(layer, -1)) NOT IN (
      SELECT (tensor, coalesce(layer, -1)) FROM before WHERE l2 = 0)
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY quantity ORDER BY value DESC, tensor, layer) AS down,
    row_number() OVER (PARTITION BY quantity ORDER BY value, tensor, layer) AS up,
    count(*) OVER (PARTITION BY quantity) AS n
  FROM measured
)
SELECT quantity, if(down <= least({NAMED}, n // 2), 'largest', 'smallest') AS "end", tensor, layer, value
FROM ranked WHERE down <= least({NAMED}, n // 2) OR up <= least({NAMED}, n // 2)
ORDER BY quantity, value DESC""")


def worst_table(answer: Answer, most: int) -> pa.Table:
    """The same for people: quantity, end, tensor (with its layer), value."""
    rows = [
        {**row, "tensor": visible(name_of(row), most)}
        for row in answer.table.select(["quantity", "end", "tensor", "layer", "value"]).to_pylist()
    ]
    schema = pa.schema(
        [("quantity", pa.string()), ("end", pa.string()), ("tensor", pa.string()), ("value", pa.float64())]
    )
    return pa.Table.from_pylist(rows, schema)


def name_of(row: dict[str, Any]) -> str:
    """A tensor with its layer."""
    return str(row["tensor"]) if row["layer"] is None else f"{row['tensor']}.{row['layer']}"


@dataclass(frozen=True)
class FirstNonfinite:
    """The first step with a number that is not finite: the first tensor there, of how many tensors; and the first
    such metric, if any."""

    step: int | None = None
    section: str = ""
    tensor: str = ""
    tensors: int = 0
    metric: str = ""
    metric_step: int | None = None

    def sentence(self) -> str:
        """In words; empty where every recorded number is finite."""
        parts = []
        if self.step is not None:
            others = f" and {count(self.tensors - 1)} more" if self.tensors > 1 else ""
            parts.append(f"in {visible(self.section)}/{visible(self.tensor)}{others} at step {count(self.step)}")
        if self.metric_step is not None:
            parts.append(f"in the metric {visible(self.metric)} at step {count(self.metric_step)}")
        return f"Not finite first {'; '.join(parts)}." if parts else ""


_SECTIONS: Final = "['residual', 'attention', 'grads', 'params']"
"""In the order in which a step makes them: what is wrong in one is wrong in the next."""


def first_nonfinite(tables: Tables, run: str) -> FirstNonfinite:
    """Of the tensors' statistics and the metrics of a run."""
    there = tables.ask(f"""SELECT step, section, tensor, layer,
  count(*) OVER (PARTITION BY step) AS tensors FROM tensors
WHERE run = {literal(run)} AND nonfinite > 0
ORDER BY step, list_position({_SECTIONS}, section), layer NULLS FIRST, tensor LIMIT 1""").table.to_pylist()
    metric = tables.ask(f"""SELECT name, first_nonfinite_step AS step FROM metrics
WHERE run = {literal(run)} AND first_nonfinite_step IS NOT NULL ORDER BY step, name LIMIT 1""").table.to_pylist()
    first = there[0] if there else None
    return FirstNonfinite(
        first["step"] if first else None, first["section"] if first else "", name_of(first) if first else "",
        first["tensors"] if first else 0, metric[0]["name"] if metric else "",
        metric[0]["step"] if metric else None,
    )  # fmt: skip
