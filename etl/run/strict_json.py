"""JSON from strangers: one object, no key twice, no number out of range, bounded before it is parsed."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

MAX_BYTES = 64 << 20
MAX_VALUES = 2_500_000
"""Commas and opening brackets: a hundred thousand tensors have under 2,000,000, and each may cost 100 bytes here."""
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Where text may hold half of a surrogate pair, which no encoding has."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"the key {twice!r:.80} stands twice in one object")
    return result


class OutOfRangeError(ValueError):
    """A number that float64 does not hold."""


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise OutOfRangeError(f"the number {text:.40} is out of range")
    return value


def _finite_whole(text: str) -> int:
    _finite(text)
    return int(text)


def in_range(data: bytes) -> Any:
    """`json.loads`, which reads 1e400 as infinity, for numbers that float64 holds. Raises OutOfRangeError."""
    return json.loads(data, parse_float=_finite, parse_int=_finite_whole)


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def load(data: bytes) -> dict[str, Any]:
    """The one JSON object that `data` is. Raises ValueError with what is wrong, before much memory is used."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"is {len(data):,} bytes; at most {MAX_BYTES:,} are read")
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ValueError(f"holds more than {MAX_VALUES:,} values, which is more than any model has tensors for")
    if not data.strip():
        raise ValueError("is empty")
    if data.startswith(b"\xef\xbb\xbf"):
        raise ValueError("begins with a byte order mark at byte 0; write plain UTF-8")
    try:
        document = json.loads(
            data.decode(), object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError(f"is a JSON {type(document).__name__}, not an object")
    if SURROGATE.search(data):
        _refuse_surrogates(document)
    return document


def _refuse_surrogates(document: dict[str, Any]) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair (\\ud800-\\udfff)") from None
