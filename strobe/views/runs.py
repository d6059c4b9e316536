"""The SQL of the table of runs."""

from __future__ import annotations

from typing import Final

NEWEST_FIRST: Final = (("created_at", "descending"), ("run", "ascending"))
"""The order of lists of runs, NULL last."""

EVERY_RUN: Final = "SELECT * FROM runs"

RUNS: Final = """SELECT r.run, r.name, r.task, r.status, r.n_params, r.steps, r.created_at, r.ended_at, r.reduced,
  max(m.last_value) FILTER (m.name = 'train_loss') AS train_loss,
  max(m.last_value) FILTER (m.name = 'val_loss') AS val_loss,
  max(m.last_value) FILTER (m.name = 'val_accuracy') AS val_accuracy,
  max(m.last_value) FILTER (m.name = 'mfu') AS mfu,
  (SELECT sum(bytes)::DOUBLE FROM snapshots s WHERE s.run = r.run AND s.file IS NOT NULL) AS bytes
FROM runs r LEFT JOIN metrics m ON m.run = r.run
GROUP BY ALL ORDER BY r.created_at DESC NULLS LAST, r.run"""

SPARKS: Final = """WITH buckets AS (
  SELECT s.run, floor((step - first_step) * 39 / greatest(last_step - first_step, 1)) AS bucket,
    log10(avg(value)) AS value
  FROM scalars s JOIN metrics m ON m.run = s.run AND m.name = 'val_loss'
  WHERE s.name = 'val_loss' AND isfinite(value) AND value > 0
  GROUP BY ALL
)
SELECT run, list(value ORDER BY bucket) AS spark FROM buckets GROUP BY run"""
