"""What a Recorder's manifest says of its run, from what the Recorder was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strobe.record.manifest import Description
from strobe.record.order import Clock, Taken
from strobe.record.overheard import OverheardClock
from strobe.record.source import TensorSource
from strobe.record.tensors import COUNTED, TensorSpec, with_taken

_UNKNOWN_MODEL = {"family": "other"}


def described(
    about: Mapping[str, Any],
    source: TensorSource,
    specs: Sequence[TensorSpec],
    scalars: Sequence[str],
    clock: Clock | None,
) -> Description:
    """`about` has name, model, task, training and metric_names; what was not given of them is None."""
    taken: Taken | None = "before_update" if clock is not None else None
    # What was only overheard does not speak against what the person says.
    told = {spec.full_name for spec in specs if spec.taken != COUNTED} if isinstance(clock, OverheardClock) else ()
    return Description(
        about["name"], about["model"] or source.model_entry() or _UNKNOWN_MODEL, about["task"] or {},
        about["training"] or {}, with_taken(specs, taken), tuple(scalars), about["metric_names"] or {}, taken, told,
    )  # fmt: skip
