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
    wanted, found = set(tensors), []
    for each in view.tensor_entries() if wanted else ():
        error = _stated(each.get("stored")) if {each["name"], each["section"]} & wanted else None
        if error is not None:
            found.append((visible(each["dtype"]), error))
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


def _stated(stored: object) -> float | None:
    """The error that an entry of a manifest states; None of one that has none, or something else in its place."""
    error = stored.get("max_error") if isinstance(stored, dict) else None
    return float(error) if isinstance(error, int | float) and not isinstance(error, bool) else None
