"""The table `health_tensors`: which tensors are in trouble at a snapshot, with what, since when, and why."""

from __future__ import annotations

from typing import Final

from etl.store.catalogue import Catalogue
from strobe.analysis.health import CANCELLED, EXPLODING, STILL, STILL_CHECKS, TROUBLE, VANISHING, Kind
from strobe.derive.analysis import BIGINT, DOUBLE, SMALLINT, TEXT, Row, TableAnalysis, nothing

NAMED: Final = 5
"""Tensors a snapshot and kind that are named, the worst; all of them are counted."""

# What is frozen from the beginning is said by whoever recorded it, and holds until the tensor moves.
TROUBLES: Final = f"""
WITH frozen AS (
  SELECT DISTINCT item.tensor, item.layer FROM (
    SELECT unnest(from_json(config->'$.frozen', '[{{"tensor": "VARCHAR", "layer": "SMALLINT"}}]')) AS item
    FROM runs WHERE run = $1 AND json_valid(config)
  )
), moved AS (
  SELECT step, section, tensor, layer, l2, abs_max, nonfinite, update_ratio,
    count(*) FILTER (update_ratio IS NULL OR update_ratio > {STILL!r}) OVER earlier AS moves,
    count(*) FILTER (update_ratio > {STILL!r}) OVER earlier AS went
  FROM tensors WHERE run = $1 AND section IN ('params', 'grads')
  WINDOW earlier AS (PARTITION BY section, tensor, layer ORDER BY step)
), cancelled AS (
  SELECT bias.tensor, bias.layer, list(bias.step) AS steps, min(bias.step) AS since
  FROM tensors bias JOIN tensors weight ON weight.step = bias.step AND weight.layer IS NOT DISTINCT FROM bias.layer
    AND weight.tensor = regexp_replace(bias.tensor, 'bias$', 'weight')
  WHERE bias.run = $1 AND weight.run = $1 AND bias.section = 'grads' AND weight.section = 'grads'
    AND bias.tensor LIKE '%bias' AND bias.l2 > 0 AND bias.l2 <= {VANISHING!r} AND bias.l2 <= {CANCELLED!r} * weight.l2
  GROUP BY bias.tensor, bias.layer
), each AS (
  SELECT *, count(*) FILTER (update_ratio <= {STILL!r}) OVER streak AS still FROM moved
  WINDOW streak AS (PARTITION BY section, tensor, layer, moves ORDER BY step)
)
SELECT step, section, each.tensor, each.layer, l2, update_ratio, CASE
    WHEN nonfinite > 0 AND section = 'params' THEN '{Kind.NONFINITE_WEIGHT}'
    WHEN nonfinite > 0 THEN '{Kind.NONFINITE_GRADIENT}'
    WHEN section = 'grads' AND l2 >= {EXPLODING!r} THEN '{Kind.EXPLODING}'
    WHEN section = 'grads' AND l2 = 0 THEN '{Kind.ZERO_GRADIENT}'
    WHEN section = 'grads' AND l2 <= {VANISHING!r} AND NOT coalesce(list_contains(steps, step), false)
      THEN '{Kind.VANISHING}'
    WHEN section = 'params' AND frozen.tensor IS NOT NULL AND went = 0 THEN '{Kind.NOT_TRAINED}'
    WHEN section = 'params' AND still >= {STILL_CHECKS} AND NOT coalesce(since <= step, false) THEN '{Kind.FROZEN}'
  END AS kind, nonfinite::DOUBLE AS nonfinite
FROM each LEFT JOIN frozen ON frozen.tensor = each.tensor AND frozen.layer IS NOT DISTINCT FROM each.layer
LEFT JOIN cancelled ON cancelled.tensor = each.tensor AND cancelled.layer IS NOT DISTINCT FROM each.layer
WHERE kind IS NOT NULL
"""
"""Every tensor that is in trouble, of the run $1: one row a snapshot and tensor, with the worst of its kinds; and
those that are frozen on purpose."""

_WORST_FIRST: Final = [str(kind) for kind in (*TROUBLE, Kind.ZERO_GRADIENT, Kind.NOT_TRAINED)]
_NAMED = f"""
WITH troubled AS ({TROUBLES}), ranked AS (
  SELECT step, section, tensor, layer, kind, CASE kind
      WHEN '{Kind.NONFINITE_WEIGHT}' THEN nonfinite WHEN '{Kind.NONFINITE_GRADIENT}' THEN nonfinite
      WHEN '{Kind.FROZEN}' THEN update_ratio ELSE l2 END::DOUBLE AS value,
    min(step) OVER (PARTITION BY section, tensor, layer, kind) AS first_step,
    count(*) OVER (PARTITION BY step, kind) AS alike,
    row_number() OVER (PARTITION BY step, kind ORDER BY
      if(kind IN ('{Kind.VANISHING}', '{Kind.FROZEN}'), value, -value), tensor, layer) AS place
  FROM troubled
), gradients AS (
  SELECT step, tensor, layer, l2 FROM tensors WHERE run = $1 AND section = 'grads'
)
SELECT r.step, r.section, r.tensor, r.layer, r.kind, r.value, r.first_step, r.alike,
  CASE WHEN r.kind <> '{Kind.FROZEN}' THEN NULL
    WHEN g.l2 = 0 THEN 'its gradient is zero'
    WHEN g.l2 IS NULL AND r.step IN (SELECT step FROM gradients) THEN 'it has no gradient in the snapshot'
  END AS why
FROM ranked r LEFT JOIN gradients g
  ON g.step = r.step AND g.tensor = r.tensor AND g.layer IS NOT DISTINCT FROM r.layer
WHERE r.place <= {NAMED}
ORDER BY r.step, list_position({_WORST_FIRST!r}, r.kind), r.place
"""


def rows(catalogue: Catalogue, run: str) -> list[Row]:
    """The worst of each kind at each snapshot."""
    found: list[Row] = catalogue.query(_NAMED, [run]).to_pylist()
    return found


ANALYSIS = TableAnalysis(
    table="health_tensors",
    definition=3,
    order=2001,
    columns=(
        ("step", BIGINT), ("section", TEXT), ("tensor", TEXT), ("layer", SMALLINT), ("kind", TEXT), ("value", DOUBLE),
        ("first_step", BIGINT), ("alike", BIGINT), ("why", TEXT),
    ),
    needs=nothing,
    sources=("tensors", "attempts"),
    rows=rows,
    unit="troubles named",
)  # fmt: skip
