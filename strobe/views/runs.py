"""The SQL of the table of runs."""

from __future__ import annotations

from typing import Final

NEWEST_FIRST: Final = (("created_at", "descending"), ("run", "ascending"))
"""The order of lists of runs, NULL last."""

LISTED: Final = """SELECT r.run, r.name, r.task, r.status, r.n_params, r.steps, r.created_at, r.ended_at, r.config,
  max(m.last_value) FILTER (m.name = 'train_loss') AS train_loss,
  max(m.last_value) FILTER (m.name = 'val_loss') AS val_loss,
  max(m.last_value) FILTER (m.name = 'val_accuracy') AS val_accuracy,
  (SELECT sum(bytes)::DOUBLE FROM snapshots s WHERE s.run = r.run AND s.file IS NOT NULL) AS bytes
FROM runs r LEFT JOIN metrics m ON m.run = r.run
GROUP BY ALL ORDER BY r.created_at DESC NULLS LAST, r.run"""
"""What the list shows by default, as one statement to go on from."""

SPARKS: Final = """WITH losses AS (
  SELECT run, first_step, last_step, min_by(name, rank) OVER w AS name, name AS own
  FROM (SELECT *, CASE name WHEN 'val_loss' THEN '0' WHEN 'train_loss' THEN '1' ELSE '2' || name END AS rank
    FROM metrics WHERE contains(lower(name), 'loss'))
  WINDOW w AS (PARTITION BY run)
), buckets AS (
  SELECT s.run, floor((step - first_step) * 39 / greatest(last_step - first_step, 1)) AS bucket,
    log10(avg(value)) AS value
  FROM scalars s JOIN losses l ON l.run = s.run AND l.name = s.name AND l.own = l.name
  WHERE isfinite(value) AND value > 0
  GROUP BY ALL
)
SELECT run, list(value ORDER BY bucket) AS spark FROM buckets GROUP BY run"""
"""The loss that there is, the test loss first: forty stretches of its steps, log10."""
