"""A store with a memorization study whose numbers are made up, so that what it says is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from strobe.derive.study_files import points
from strobe.studies.memorization import plan as plans
from strobe.studies.memorization.api import into_store
from strobe.studies.memorization.experiment import begin
from strobe.studies.memorization.measuring import write_point
from tests.support.small_study import small_plan

EPOCHS = (1, 2, 4)
LAYERS = 3


def planted_row(epoch: int, passage: int, generator: np.random.Generator) -> dict[str, Any]:
    """Trained passages are known from epoch 2 on, and layer 1 tells them from novel ones at epoch 4."""
    trained = passage < 6
    right = 20 if trained and epoch > 1 else 1 + passage % 2
    scores = generator.normal(3, 0.1, LAYERS)
    scores[1] += 3 * (trained and epoch == 4)
    return {
        "epoch": epoch, "step": epoch * 3, "passage": passage, "split": "trained" if trained else "novel",
        "tokens": 20, "accuracy": right / 20, "exact_matches": right, "edit_distance": 20 - right,
        "prefix_5": right / 20, "prefix_10": right / 20, "prefix_20": right / 20, "prefix_50": None,
        "perplexity": 2.5, "memorized": right >= 12, "chance": 0.06 + 0.01 * (passage % 3),
        "prompt": f"the beginning of {passage}", "target": f"the <b>end</b> of {passage}",
        "continuation": f"the end at {epoch} of {passage}", "compression": scores.tolist(),
        "token_compression": [[0.0]] * LAYERS,
    }  # fmt: skip


def studied_store(folder: Path) -> Path:
    """The store, made in `folder`, with the run "mem"; a real study has given the run its curve and snapshots."""
    run, generator = folder / "mem", np.random.default_rng(0)
    begin(run, small_plan(layers=LAYERS + 1, epochs=EPOCHS), resume=False).run(lambda *_: None)
    for epoch in points(run):
        write_point(run, epoch, [planted_row(epoch, passage, generator) for passage in range(12)])
    assert plans.saved(run) is not None
    into_store(run, folder / "store")
    return folder / "store"
