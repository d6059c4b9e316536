"""When a logged value is what was recomputed."""

from __future__ import annotations

import pytest

from strobe.analysis.loss_check import EXACT, LOSS_FLOOR, REDUCED, agrees


@pytest.mark.parametrize(
    ("metric", "logged", "computed", "tolerance", "same"),
    [
        ("val_loss", 1.0, 1.0199, EXACT, True),
        ("val_loss", 1.0, 1.03, EXACT, False),
        ("val_loss", 1.0, 1.03, REDUCED, True),
        ("val_loss", 1.0, 1.2, REDUCED, False),
        ("train_loss", 0.0, LOSS_FLOOR / 2, EXACT, True),
        ("train_loss", 1e-7, 3e-7, EXACT, True),
        ("train_loss", 1e-5, 2e-5, EXACT, False),
        ("val_accuracy", 0.5, 0.504, EXACT, True),
        ("val_accuracy", 0.5, 0.51, EXACT, False),
        ("val_accuracy", 0.001, 0.004, EXACT, True),
        ("val_accuracy", 0.5, 0.51, REDUCED, True),
    ],
)
def test_losses_agree_by_their_size_and_accuracies_by_inputs(metric, logged, computed, tolerance, same) -> None:
    assert agrees(metric, logged, computed, tolerance) is same
    assert agrees(metric, computed, logged, tolerance) is same
