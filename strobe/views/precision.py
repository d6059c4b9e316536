"""What a panel says that draws from tensors stored in fewer bits than they were recorded in (`strobe share`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from strobe.views.run_view import RunView
from strobe.views.words import number, visible

_KINDS = {"int8": "int8 with a scale a row"}


def stored_words(view: RunView, tensors: Sequence[str]) -> str:
    """How far the values of `tensors` may be from what was recorded, as a sentence; a section stands for all in it.
    Empty where they are stored as they were."""
    found = [
        (visible(each["dtype"]), stored["max_error"])
        for each in (view.tensor_entries() if tensors else ())
        if {each["name"], each["section"]} & set(tensors) and _is_stated(stored := each.get("stored"))
    ]
    if not found:
        return ""
    kinds = " and ".join(_KINDS.get(kind, kind) for kind in sorted({kind for kind, _ in found}))
    most = rounded_up(max(error for _, error in found))
    return f"Drawn from values in {kinds}: at most {number(most)} from those that were shared."


def rounded_up(error: float) -> float:
    """To three digits, never to a smaller number: it stays a bound."""
    if not math.isfinite(error) or error <= 0:
        return error
    unit = 10.0 ** (math.floor(math.log10(error)) - 2)
    near = round(error / unit) * unit
    return near if near >= error else (round(error / unit) + 1) * unit


def _is_stated(stored: object) -> bool:
    """Whether an entry that a manifest may have is one that says how far off its tensor is."""
    return isinstance(stored, dict) and type(stored.get("max_error")) in (int, float)
