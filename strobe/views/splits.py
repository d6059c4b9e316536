"""What the part of the data is called that a model was not trained on: as the task, or who logged it, calls it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from strobe.views.run_view import Tables, literal

TRAIN: Final = "train"
TEST: Final = "test"
VALIDATION: Final = "validation"
_TASKS_WITH_A_TEST: Final = ("modular_addition",)
"""Tasks whose inputs are split in two, trained on and not: nothing is chosen by the second."""


def held_out(tables: Tables, runs: Sequence[str]) -> dict[str, str]:
    """Run -> "test" where its task or its log says so, else "validation"; of every one of `runs`."""
    rows = tables.ask(f"""SELECT r.run, bool_or(r.task IN ({", ".join(map(literal, _TASKS_WITH_A_TEST))})
  OR contains(lower(m.source_name), 'test')) AS test
FROM runs r LEFT JOIN metrics m ON m.run = r.run AND m.name IN ('val_loss', 'val_accuracy')
WHERE r.run IN ({", ".join(map(literal, runs))}) GROUP BY r.run""").table.to_pylist()
    tests = {row["run"] for row in rows if row["test"]}
    return {run: TEST if run in tests else VALIDATION for run in runs}


def split_words(tables: Tables, runs: Sequence[str], metric: str) -> dict[str, str]:
    """Run -> the word for the split of a loss or an accuracy; of another metric its own name in words."""
    if metric.startswith("val_"):
        return held_out(tables, runs)
    return dict.fromkeys(runs, TRAIN if metric.startswith("train_") else metric.replace("_", " "))
