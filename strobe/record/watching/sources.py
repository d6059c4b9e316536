"""What of a watched model is recorded: its own tensors, and with a probe what it makes of that."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from strobe.record.errors import RecorderError
from strobe.record.modules.probe import PROBE_SECTIONS, Causal, ProbeSource
from strobe.record.modules.source import MODULE_SECTIONS, Chosen, ModuleSource
from strobe.record.source import CombinedSources, TensorSource
from strobe.record.watching.gradients import Unscaling

SECTIONS = (*MODULE_SECTIONS, *PROBE_SECTIONS)
"""What `log` takes."""


def sources_of(
    model: Any,
    optimizer: Any,
    unscaling: Unscaling,
    *,
    sections: tuple[str, ...],
    probe: Any,
    causal: Causal,
    chosen: Chosen,
    statistics_of: Collection[str],
) -> tuple[ModuleSource, CombinedSources]:
    """The source of the model's own tensors, and all of them together. Raises RecorderError for what is no module,
    and a probe that it does not take."""
    common: dict[str, Any] = {
        "sections": sections, "chosen": chosen, "statistics_of": statistics_of,
        "taken": "before_update" if optimizer is not None else "after_update",
    }  # fmt: skip
    own = ModuleSource(_module(model), optimizer, unscaled=unscaling, **common)
    sources: list[TensorSource] = [own]
    if set(sections) & set(PROBE_SECTIONS):
        sources.append(ProbeSource(model, probe, causal=causal, **common))
    return own, CombinedSources(sources)


def sections_of(log: Iterable[str], probe: Any) -> tuple[str, ...]:
    """The sections that `log` names. Raises RecorderError for others, and where one of them wants a probe."""
    named = (log,) if isinstance(log, str) else tuple(log)
    unknown = [name for name in named if name not in SECTIONS]
    if unknown or not named:
        raise RecorderError(f"log has {unknown or 'nothing'}; give some of {', '.join(SECTIONS)}")
    if probe is None and (wanted := [name for name in named if name in PROBE_SECTIONS]):
        raise RecorderError(f"log has {wanted}, and that wants a probe: what the model is to be given")
    return named


def _module(model: Any) -> Any:
    import torch

    if not isinstance(model, torch.nn.Module):
        raise RecorderError(f"model is a {type(model).__name__}; give a torch.nn.Module")
    return model
