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
        "Where did the update ratio of one step leave [1e-4, 1e-2]? (Of snapshots one step apart; others have none.)",
        """SELECT tensor, layer, count(*) AS one_step_ratios,
  count(*) FILTER (update_ratio < 1e-4) AS too_small,
  count(*) FILTER (update_ratio > 1e-2) AS too_large,
  min(update_ratio) AS smallest, max(update_ratio) AS largest
FROM (
  SELECT *, step - lag(step) OVER (PARTITION BY attempt, tensor, layer ORDER BY step) AS gap
  FROM tensors WHERE run = {run} AND section = 'params'
)
WHERE gap = 1 AND update_ratio IS NOT NULL
GROUP BY tensor, layer
ORDER BY too_small + too_large DESC""",
    ),
    Example(
        "Net movement",
        "How far does each tensor get between two snapshots? (At most the sum of the steps, less where they turn.)",
        """SELECT tensor, layer, min(gap) AS least_gap, max(gap) AS most_gap,
  median(delta_l2) AS net_movement, median(update_ratio) AS net_update_ratio, max(update_ratio) AS largest
FROM (
  SELECT *, step - lag(step) OVER (PARTITION BY attempt, tensor, layer ORDER BY step) AS gap
  FROM tensors WHERE run = {run} AND section = 'params'
)
WHERE update_ratio IS NOT NULL
GROUP BY tensor, layer
ORDER BY net_update_ratio DESC""",
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
        "How many steps lie between the train set known and the grokking onset, and if there is none, why?",
        """SELECT run,
  max(step) FILTER (rule = 'training set known') AS train_at,
  max(step) FILTER (rule = 'grokking onset') AS onset_at,
  onset_at - train_at AS gap,
  max(note) FILTER (rule = 'grokking onset') AS answer
FROM transitions -- filled by `strobe analyze`
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
