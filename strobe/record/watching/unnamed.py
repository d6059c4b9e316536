"""What an optimizer updates and the watched model does not name."""

from __future__ import annotations

from typing import Any

from strobe.record.errors import RecorderError
from strobe.record.recorder import Recorder


def tell_unnamed(recorder: Recorder, model: Any, optimizer: Any) -> None:
    """Say, and count, that some of the optimizer's parameters are not recorded since no module of the model has them:
    those of modules in a plain list, or of another model."""
    ours = {id(parameter) for parameter in model.parameters()}
    theirs = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if lost := len(theirs - ours):
        recorder.trouble(
            "what else the optimizer updates",
            RecorderError(
                f"{lost:,} of its {len(theirs):,} parameters are not among the model's; "
                "modules in a plain list or dict belong into an nn.ModuleList or nn.ModuleDict"
            ),
        )
