"""Words for people: names made safe to print, and numbers as they are read. What is not finite is said in words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from etl.shortened import shortened

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(name: object, most: int = 200) -> str:
    """A name with control and direction characters made visible, in at most `most` characters: a longer one is cut in
    the middle."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", shortened(str(name), most))


def listed(names: Sequence[str], most: int = 5) -> str:
    """Some names in a sentence: "a, b and 3 more" where there are more than `most`."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def count(value: float | None) -> str:
    """4200 -> 4,200; None -> a dash."""
    return "–" if value is None else f"{int(value):,}"


def number(value: float | None, digits: int = 3) -> str:
    """A measurement in `digits` significant figures; what is not finite in words."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "infinite"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:,.{places}f}"
    head, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{head}×10{str(int(power)).translate(_SUPERSCRIPTS)}"


def size(n_bytes: float | None) -> str:
    """Bytes in decimal units: 84 kB, 12.1 MB."""
    if n_bytes is None:
        return "–"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.3g} {unit}"
    return f"{int(n_bytes)} B"


def parameters(n: float | None) -> str:
    """Parameters: 226 K, 124 M."""
    if n is None:
        return "–"
    for unit, scale in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if n >= scale:
            return f"{n / scale:.3g} {unit}"
    return str(int(n))


def age(seconds: float | None) -> str:
    """Seconds ago in one unit: 3 min, 5 h, 12 d."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    for unit, scale in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= scale:
            return f"{int(seconds // scale)} {unit}"
    return "just now"


def thinned(reduced: str | None) -> str:
    """`runs.reduced` (JSON) as a sentence; empty where nothing was thinned."""
    if not reduced:
        return ""
    try:
        what: Any = json.loads(reduced)
    except json.JSONDecodeError:
        return visible(reduced)
    if isinstance(what, dict):
        if {"snapshots_kept", "snapshots_recorded"} <= what.keys():
            return _thinned_sentence(what)
        return "; ".join(f"{visible(key).replace('_', ' ')}: {_plain(value)}" for key, value in what.items())
    return _plain(what)


_STORED = {"int8": "int8 with a scale a row", "float16": "float16"}


def _thinned_sentence(what: dict[str, Any]) -> str:
    parts = [f"{_plain(what['snapshots_kept'])} of {_plain(what['snapshots_recorded'])} snapshots"]
    if what.get("sections_dropped"):
        parts.append(f"without {_plain(what['sections_dropped'])}, whose norms are in the tables")
    if what.get("float32_as_float16"):
        parts.append("parameters in half precision")
    if isinstance(stored := what.get("stored"), dict):
        kinds = [f"{_plain(n)} as {_STORED.get(kind, visible(kind))}" for kind, n in stored.items()]
        parts.append(f"tensors in fewer bits ({', '.join(kinds)}), while the tables are of the originals")
    if points := what.get("curve_points"):
        parts.append(f"about {_plain(points)} points of each longer curve, with every least and greatest")
    if steps := what.get("statistics_steps"):
        parts.append(f"statistics at about {_plain(steps)} steps")
    return "; ".join(parts)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{visible(key).replace('_', ' ')} {_plain(item)}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else visible(value)


def duration(seconds: float) -> str:
    """How long something took, in its two largest units: 3 h 12 min, 41 s."""
    if seconds < 60:
        return f"{number(seconds)} s"
    whole = round(seconds)
    parts = [(whole // 86_400, "d"), (whole // 3_600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    first = next(k for k, (value, _) in enumerate(parts) if value)
    return " ".join(f"{value} {unit}" for value, unit in parts[first : first + 2] if value)
