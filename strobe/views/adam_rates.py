"""Whose learning rate Adam's step of each tensor is computed with."""

from __future__ import annotations

from strobe.views.run_view import RunView, literal


def adam_rates(view: RunView) -> str:
    """A sentence: whether each tensor's own rate was recorded, of how many it was not, or what stands in for it."""
    (row,) = view.rows(f"""SELECT count(DISTINCT (tensor, layer)) FILTER (section = 'adam_m') AS all_of_them,
  count(DISTINCT (tensor, layer)) FILTER (section = 'adam_lr' AND mean IS NOT NULL) AS known
FROM tensors WHERE run = {literal(view.run)} AND section IN ('adam_m', 'adam_lr')""")
    if not row["known"]:
        return "The learning rate is the metric of that name, since the settings name one for all tensors."
    without = row["all_of_them"] - row["known"]
    empty = f"; of {without:,} of {row['all_of_them']:,} none was recorded, and they are empty" if without > 0 else ""
    return f"The learning rate is that of the tensor's own parameter group{empty}."
