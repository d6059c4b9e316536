"""The losses and accuracies of runs as curves, each with the word for its split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from strobe.views.curves import Curve
from strobe.views.run_view import Tables
from strobe.views.splits import split_words

LOSSES: Final = ("val_loss", "train_loss")
ACCURACIES: Final = ("val_accuracy", "train_accuracy")


def curves_of(tables: Tables, runs: Sequence[str], metrics: Sequence[str]) -> list[Curve]:
    """Of some metrics of each run; what is neither a loss nor an accuracy is called by its own name."""
    words = {metric: split_words(tables, runs, metric) for metric in metrics}
    return [Curve(run, metric, words[metric][run]) for run in runs for metric in metrics]
