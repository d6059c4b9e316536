"""What the board of charts asks of the server and remembers: text from a browser, which may be anything."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from strobe.ui.shell import address

MOST_CHARTS: Final = 40
"""Charts of one request: two screens of the smallest."""
MOST_TEXT: Final = 100_000
COLUMNS: Final = ("1", "2", "3")
SIZES: Final = ("small", "medium", "large")
Range = tuple[float, float]


@dataclass(frozen=True)
class Look:
    """How the board is looked at, in the browser and in a link. `pin` and the other lists have keys of charts, `hide`
    "run|split" of series; `at` is where the crosshair stays, in units of x. None and "": as this browser last had it.
    """

    columns: str = ""
    size: str = ""
    filter: str = ""
    zoom: Range | None = None
    at: float | None = None
    clip: bool = False
    pin: tuple[str, ...] | None = None
    hide: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    linear: tuple[str, ...] = ()
    y: Mapping[str, Range] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Ask:
    """Request number `n` of a board that shows `subject`: the charts `seen`, and of them those that it `lacks`, each
    with whether its y axis is logarithmic, on the `window` of x. `read` is a chart and the place on x to read its
    lines at, `files` the chart whose files are offered, `chosen` the run that is to be the first."""

    n: int = 0
    subject: str = ""
    framed: bool = False
    """Whether the board has the list of all charts."""
    seen: tuple[tuple[str, bool], ...] = ()
    lacks: tuple[tuple[str, bool], ...] = ()
    window: Range | None = None
    read: tuple[str, float] | None = None
    files: str = ""
    chosen: str = ""


def parsed(text: Any) -> tuple[Ask, Look]:
    """What a browser sent as JSON; what of it means nothing is as if it were not there."""
    try:
        sent = json.loads(text) if isinstance(text, str) and len(text) <= MOST_TEXT else {}
    except (ValueError, RecursionError):
        sent = {}
    sent = sent if isinstance(sent, dict) else {}
    look = sent.get("look")
    read = _list(sent.get("read"))
    at = _number(read[1]) if len(read) == 2 and isinstance(read[0], str) else None
    n = sent.get("n")
    ask = Ask(
        n=n if isinstance(n, int) and 0 <= n < 2**53 else 0, subject=_key(sent.get("subject")),
        framed=sent.get("framed") is True, seen=_charts(sent.get("seen")), lacks=_charts(sent.get("lacks")),
        window=_range(sent.get("window")), read=None if at is None else (read[0], at), files=_key(sent.get("files")),
        chosen=_key(sent.get("chosen")),
    )  # fmt: skip
    return ask, _look(look if isinstance(look, dict) else {})


def _charts(sent: Any) -> tuple[tuple[str, bool], ...]:
    pairs = [pair for pair in _list(sent) if isinstance(pair, list) and len(pair) == 2]
    return tuple((_key(key), log is True) for key, log in pairs[:MOST_CHARTS])


def _key(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _look(sent: Mapping[str, Any]) -> Look:
    y = sent.get("y")
    ranges = {key: _range(ends) for key, ends in (y.items() if isinstance(y, dict) else ())}
    return Look(
        columns=_one_of(sent.get("columns"), COLUMNS), size=_one_of(sent.get("size"), SIZES),
        filter=_text(sent.get("filter")), zoom=_range(sent.get("zoom")), at=_number(sent.get("at")),
        clip=sent.get("clip") is True, pin=None if sent.get("pin") is None else _texts(sent.get("pin")),
        hide=_texts(sent.get("hide")), log=_texts(sent.get("log")), linear=_texts(sent.get("linear")),
        y={_text(key): ends for key, ends in list(ranges.items())[:100] if ends is not None},
    )  # fmt: skip


def arrived() -> Look | None:
    """What a link asks for; None where the address has nothing that this page did not write itself."""
    names = ("columns", "size", "filter", "zoom", "at", "clip", "pin", "hide", "log", "linear", "y")
    asked = {name: values for name in names if (values := address.arrived(name)) is not None}
    if not asked:
        return None
    first: dict[str, Any] = {name: values[0] for name, values in asked.items()}
    lists = {name: list(asked[name]) for name in ("pin", "hide", "log", "linear") if name in asked}
    y = dict(value.rsplit("~", 1) for value in asked.get("y", []) if "~" in value)
    return _look(
        first | lists | {"zoom": _ends(first.get("zoom")), "at": _float(first.get("at")), "clip": "clip" in first}
        | {"y": {key: _ends(ends) for key, ends in y.items()}}
    )  # fmt: skip


def write(look: Look) -> None:
    """Puts it into the address."""
    address.write("columns", look.columns or None)
    address.write("size", look.size or None)
    address.write("filter", look.filter or None)
    address.write("zoom", _words(look.zoom) if look.zoom else None)
    address.write("at", None if look.at is None else f"{look.at:.15g}")
    address.write("clip", "1" if look.clip else None)
    address.write("y", [f"{key}~{_words(ends)}" for key, ends in look.y.items()])
    for name in ("pin", "hide", "log", "linear"):
        address.write(name, list(getattr(look, name) or ()))


def known(look: Look, charts: Collection[str]) -> Look:
    """Without the charts that there are not."""

    def there(keys: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(key for key in keys if key in charts)

    return Look(
        look.columns, look.size, look.filter, look.zoom, look.at, look.clip,
        None if look.pin is None else there(look.pin), look.hide, there(look.log), there(look.linear),
        {key: ends for key, ends in look.y.items() if key in charts},
    )  # fmt: skip


def _words(ends: Range) -> str:
    return f"{ends[0]:.12g},{ends[1]:.12g}"


def _ends(text: Any) -> list[float | None]:
    return [_float(part) for part in str(text).split(",")]


def _float(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    return float(value) if good and math.isfinite(value) else None


def _range(value: Any) -> Range | None:
    ends = [_number(end) for end in _list(value)]
    if len(ends) != 2 or ends[0] is None or ends[1] is None or not ends[0] < ends[1]:
        return None
    return ends[0], ends[1]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value[: address.MOST_CHARACTERS] if isinstance(value, str) else ""


def _texts(value: Any, most: int = 200) -> tuple[str, ...]:
    """Keys, each once. Longer ones than an address has room for are left out."""
    found = [item for item in _list(value) if isinstance(item, str) and 0 < len(item) <= address.MOST_CHARACTERS]
    return tuple(dict.fromkeys(found[:most]))


def _one_of(value: Any, options: Collection[str]) -> str:
    return value if isinstance(value, str) and value in options else ""
