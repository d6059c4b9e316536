"""How much memory devices have, where their name tells it."""

from __future__ import annotations

import re
from typing import Final

_SAID: Final = re.compile(r"(?<![\d.])(\d{1,4})\s?(GB|GiB)\b", re.IGNORECASE)
_KNOWN: Final[tuple[tuple[str, float], ...]] = (
    (r"\bH200\b", 141), (r"\bA6000\b", 48), (r"\bA40\b", 48), (r"\bA10\b", 24), (r"\bL40S\b", 48), (r"\bL4\b", 24),
    (r"\bT4\b", 16),
)  # fmt: skip
"""GB of devices that their makers' datasheets give one size of."""


def device_memory(device: str) -> float | None:
    """Bytes, by the size in a driver's name ("A100-SXM4-80GB") or of a device that has one size; None where neither
    tells, as of an A100, which there is of 40 and of 80 GB."""
    name = device.replace("_", " ")
    said = _SAID.search(name)
    if said is not None:
        return float(said[1]) * (2.0**30 if said[2].lower() == "gib" else 1e9)
    return next((size * 1e9 for pattern, size in _KNOWN if re.search(pattern, name, re.IGNORECASE)), None)
