"""One forward pass beside the training, which leaves nothing behind: no gradient, no random number, no mode."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from strobe.record.modules.places import unwrap


def passed(model: Any, probe: Any) -> Any:
    """What the model, not compiled and in evaluation mode, makes of the probe: a tensor or a sequence of arguments, a
    mapping of them by name, or a function of the model."""
    inner = unwrap(model)
    with _beside(inner):
        if callable(probe) and not hasattr(probe, "dim"):
            return probe(inner)
        placed = _placed(probe, inner)
        if isinstance(placed, Mapping):
            return inner(**placed)
        return inner(*placed) if isinstance(placed, tuple | list) else inner(placed)


@contextlib.contextmanager
def _beside(model: Any) -> Iterator[None]:
    import torch

    modes = [(module, module.training) for module in model.modules()]
    states = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        model.eval()
        # The fused encoder layer of torch computes its attention where nothing sees it.
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.random.fork_rng(devices), torch.no_grad(), torch.compiler.set_stance("force_eager"):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, _ in modes:
            # Parameters that a pass without a backward one left gathered would be stale after the update.
            if hasattr(module, "reshard") and hasattr(module, "unshard"):
                module.reshard()
        for module, training in modes:
            module.training = training
        random.setstate(states[0])
        np.random.set_state(states[1])


def _placed(probe: Any, model: Any) -> Any:
    """The probe on the model's device."""
    first = next(model.parameters(), None)
    if first is None:
        return probe
    if isinstance(probe, Mapping):
        return {name: _placed(value, model) for name, value in probe.items()}
    if isinstance(probe, tuple | list):
        return [_placed(value, model) for value in probe]
    return probe.to(first.device) if hasattr(probe, "to") else probe
