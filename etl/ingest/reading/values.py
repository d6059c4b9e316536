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


def number(value: object) -> float | None:
    """The float64 of a number, or of a text that is one; None for anything else, and for what float64 cannot hold."""
    if not isinstance(value, str):
        return parsed_number(value)
    if not _NUMBER.fullmatch(value):
        return None
    found = float(value.replace(",", ""))
    return None if math.isinf(found) and "n" not in value.lower() else found


def whole_step(value: object) -> int:
    """A step as a number or a text, 20.0 and "1,200" included. Raises ValueError for what is none."""
    found = number(value)
    if found is None or not found.is_integer() or not 0 <= found <= MAX_STEP:
        raise ValueError(f"step is {value!r:.40}, not a whole number from 0 to 2^53")
    return value if type(value) is int else int(found)


def moment(value: object) -> float | None:
    """Unix seconds of a number (seconds, or milliseconds beyond 1e11) or of an ISO time, which without a zone is UTC;
    None for anything else."""
    found = number(value)
    if found is not None:
        seconds = found / 1e3 if found > 1e11 else found
        return seconds if math.isfinite(seconds) and seconds > 1e8 else None
    try:
        time = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
