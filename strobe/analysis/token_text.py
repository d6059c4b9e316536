"""Tokens as a text that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

BYTES: Final = 256


def are_bytes(task: Mapping[str, Any]) -> bool:
    """Whether tokens are the bytes of a text, as those of `strobe train text`: a manifest's task of kind "text" that
    gives its tokens no names."""
    return task.get("kind") == "text" and not isinstance(task.get("token_names"), list)


def text_of(task: Mapping[str, Any], tokens: Sequence[int]) -> str:
    """Bytes as UTF-8, what is none as U+FFFD; else the tokens' names, or their numbers, with spaces."""
    if are_bytes(task) and all(0 <= token < BYTES for token in tokens):
        return bytes(tokens).decode("utf-8", "replace")
    names = task.get("token_names")
    known = names if isinstance(names, list) else []
    return " ".join(str(known[token]) if 0 <= token < len(known) else str(token) for token in tokens)
