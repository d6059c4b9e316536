"""Numbers and moments as logs of other tools write them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from etl.run.journal import MAX_STEP, parsed_number

_NUMBER = re.compile(
    r"\s*[-+]?(?:\d+(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*|\s*[-+]?(?:nan|inf|infinity)\s*",
    re.IGNORECASE,
)

_WITH_UNIT = re.compile(r"\s*[-+]?\.?\d[\d,.]*(?:[eE][-+]?\d+)?\s*[^\s\d:/+-]{1,8}\s*")
EARLIEST, LATEST = 1e8, 1e11
"""Unix seconds between which a number may be a moment: from 1973 to 5138."""
UNITS = (1.0, 1e3, 1e6, 1e9)
"""Of a second."""


def number(value: object) -> float | None:
    """The float64 of a number, or of a text that is one; None for anything else, and for what float64 cannot hold."""
    if type(value) is float:
        return value
    if not isinstance(value, str):
        return parsed_number(value)
    if not _NUMBER.fullmatch(value):
        return None
    found = float(value.replace(",", ""))
    return None if math.isinf(found) and "n" not in value.lower() else found


def measure(value: object) -> float | None:
    """`number`, and of a text that has "%" behind one: that number as it stands."""
    return number(value[: value.rindex("%")] if isinstance(value, str) and value.rstrip().endswith("%") else value)


def is_odd(value: object) -> bool:
    """Whether something that is no `measure` looks as if it told one: a list, or a number with a unit."""
    if isinstance(value, str):
        return _WITH_UNIT.fullmatch(value) is not None and measure(value) is None
    return isinstance(value, list) and bool(value)


def whole_step(value: object) -> int:
    """A step as a number or a text, 20.0 and "1,200" included. Raises ValueError for what is none."""
    if type(value) is int and 0 <= value <= MAX_STEP:
        return value
    found = number(value)
    if found is None or not found.is_integer() or not 0 <= found <= MAX_STEP:
        raise ValueError(f"step is {value!r:.40}, not a whole number from 0 to 2^53")
    return int(found)


def moment(value: object) -> float | None:
    """Unix seconds of a number, of an ISO time or datetime, which without a zone is UTC; None for anything else.

    A number is in seconds, and beyond 1e11 in milli-, then in micro- and nanoseconds: whichever puts it before 5138.
    """
    found = number(value)
    if found is not None:
        seconds = next((found / unit for unit in UNITS if found / unit <= LATEST), 0.0)
        return seconds if seconds > EARLIEST else None
    try:
        time = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
