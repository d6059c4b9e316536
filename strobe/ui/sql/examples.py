"""Worked examples of the SQL page: a question and the statement that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strobe.views.run_view import literal


@dataclass(frozen=True)
class Example:
    """A short title for a button, the question in words, and SQL with `{run}` where the selected run goes."""

    title: str
    question: str
    template: str

    def sql(self, run: str) -> str:
        return f"-- {self.question}\n" + self.template.replace("{run}", literal(run))


EXAMPLES: Final = (
    Example(
        "Best runs",
        "Which runs ended with the lowest test loss?",
        """SELECT r.run, r.name, r.status, m.last_value AS val_loss, m.last_step
FROM runs r JOIN metrics m USING (run)
WHERE m.name = 'val_loss'
ORDER BY val_loss
LIMIT 10""",
    ),
    Example(
        "Train beside test",
        "How do train and test loss of this run compare, step by step?",
        """SELECT step,
  max(value) FILTER (name = 'train_loss') AS train_loss,
  max(value) FILTER (name = 'val_loss') AS val_loss
FROM scalars
WHERE run = {run} AND name IN ('train_loss', 'val_loss')
GROUP BY step HAVING val_loss IS NOT NULL
ORDER BY step""",
    ),
    Example(
        "Gradient flow",
        "How large is the gradient in each layer at the last snapshot?",
        """SELECT tensor, layer, l2 / sqrt(n) AS gradient_rms, l2, zero_fraction
FROM tensors
WHERE run = {run} AND section = 'grads'
QUALIFY step = max(step) OVER ()
ORDER BY gradient_rms DESC""",
    ),
    Example(
        "Update ratios",
        "Where did the update ratio leave [1e-4, 1e-2], and how often?",
        """SELECT tensor, layer, count(*) AS snapshots,
  count(*) FILTER (update_ratio < 1e-4) AS too_small,
  count(*) FILTER (update_ratio > 1e-2) AS too_large,
  min(update_ratio) AS smallest, max(update_ratio) AS largest
FROM tensors
WHERE run = {run} AND section = 'params' AND update_ratio IS NOT NULL
GROUP BY tensor, layer
HAVING too_small + too_large > 0
ORDER BY too_small + too_large DESC""",
    ),
    Example(
        "First NaN",
        "What was not finite first: in the metrics and inside the tensors?",
        """SELECT run, name AS what, first_nonfinite_step AS step, nonfinite AS values
FROM metrics WHERE nonfinite > 0
UNION ALL
SELECT run, section || '/' || tensor, min(step), sum(nonfinite)::BIGINT
FROM tensors WHERE nonfinite > 0 GROUP BY ALL
ORDER BY step""",
    ),
    Example(
        "Peak gradients",
        "At which step did each tensor have its largest gradient?",
        """SELECT tensor, layer, arg_max(step, l2) AS step, max(l2) AS l2
FROM tensors
WHERE run = {run} AND section = 'grads'
GROUP BY tensor, layer
ORDER BY l2 DESC""",
    ),
    Example(
        "Grokking gap",
        "How many steps lie between fitting the train set and the test set?",
        """SELECT run,
  min(step) FILTER (name = 'train_accuracy' AND value >= 0.99) AS train_at,
  min(step) FILTER (name = 'val_accuracy' AND value >= 0.99) AS test_at,
  test_at - train_at AS gap
FROM scalars
WHERE name IN ('train_accuracy', 'val_accuracy')
GROUP BY run
ORDER BY gap""",
    ),
    Example(
        "Weight growth",
        "By what factor did each weight tensor grow since the first snapshot?",
        """SELECT tensor, layer, arg_min(l2, step) AS first_l2, arg_max(l2, step) AS last_l2,
  last_l2 / nullif(first_l2, 0) AS factor
FROM tensors
WHERE run = {run} AND section = 'params'
GROUP BY tensor, layer
ORDER BY factor DESC""",
    ),
    Example(
        "Smoothed loss",
        "What does the train loss look like as a mean over 101 steps?",
        """SELECT step, value,
  avg(value) OVER (ORDER BY step ROWS BETWEEN 50 PRECEDING AND 50 FOLLOWING) AS mean_101
FROM scalars
WHERE run = {run} AND name = 'train_loss'
QUALIFY step % 20 = 0
ORDER BY step""",
    ),
    Example(
        "Spikes",
        "Where did the train loss jump to more than twice its recent mean?",
        """SELECT step, value, recent
FROM (
  SELECT step, value, avg(value) OVER (ORDER BY step ROWS BETWEEN 20 PRECEDING AND 1 PRECEDING) AS recent
  FROM scalars WHERE run = {run} AND name = 'train_loss'
)
WHERE value > 2 * recent
ORDER BY value / recent DESC
LIMIT 50""",
    ),
    Example(
        "Loss by thousand",
        "One row a run, one column a thousand steps: the mean train loss.",
        """PIVOT (
  SELECT run, format('{:06d}', step // 1000 * 1000) AS from_step, value FROM scalars WHERE name = 'train_loss'
) ON from_step USING avg(value) GROUP BY run""",
    ),
    Example(
        "Re-run steps",
        "Which steps were trained twice, because an attempt took over?",
        """SELECT run, attempt, first_step, cut_step,
  (SELECT count(DISTINCT step) FROM scalars_all s
   WHERE s.run = a.run AND s.attempt = a.attempt AND s.step >= a.cut_step) AS superseded_steps
FROM attempts a
WHERE cut_step IS NOT NULL
ORDER BY run, attempt""",
    ),
    Example(
        "Snapshots on disk",
        "How many snapshots does each run keep, and how large are they?",
        """SELECT run, count(*) AS snapshots, min(step) AS first, max(step) AS last,
  sum(bytes) / 1e6 AS megabytes
FROM snapshots WHERE file IS NOT NULL
GROUP BY run ORDER BY megabytes DESC""",
    ),
)
