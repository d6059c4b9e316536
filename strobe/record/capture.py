"""What of a step is recorded: the tensors that can be read, the metrics that are numbers; the others are counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strobe.record.host import Array, NotDueError
from strobe.record.status import Trouble
from strobe.record.tensors import TensorSpec, metric_name, metric_value, reason


def tensors_of(specs: Mapping[str, TensorSpec], trouble: Trouble) -> tuple[dict[str, Array], dict[str, str]]:
    """Every tensor that can be read, by name, and why the others cannot. Raises what the first one raised where none
    is left."""
    arrays: dict[str, Array] = {}
    failed: dict[str, Exception] = {}
    for name, spec in specs.items():
        try:
            array = spec.read()
            if array.ndim != len(spec.dims):
                spec.axes(array.shape)
            arrays[name] = array
        except Exception as error:
            failed[name] = error
    if failed and not arrays:
        raise next(iter(failed.values()))
    for name, why in failed.items():
        if not isinstance(why, NotDueError):
            trouble.absent(name, why)
    return arrays, {name: reason(why) for name, why in failed.items()}


def numbers_of(metrics: Mapping[str, Any], trouble: Trouble) -> dict[str, Any]:
    """The metrics that are numbers and have a name of their own."""
    numbers: dict[str, Any] = {}
    for name, value in metrics.items():
        try:
            numbers[metric_name(name)] = metric_value(value)
        except Exception as error:
            trouble.lost(f"metric {shown(name)}", error)
    return numbers


def shown(value: object) -> str:
    """Any value in a few words that fit into a message."""
    try:
        return f"{value:,}" if type(value) is int else repr(value)[:80]
    except Exception:
        return f"a {type(value).__name__}"
