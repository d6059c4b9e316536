"""How much a run of the tests tries: all of it where CI is set, some of it in the hands of someone who waits."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import pytest

P = ParamSpec("P")
T = TypeVar("T")

IN_CI: Final = bool(os.environ.get("CI"))

UNLESS_IN_CI: Final[tuple[pytest.MarkDecorator, ...]] = () if IN_CI else (pytest.mark.slow,)
"""The marks of a test that runs where CI is set, and otherwise with -m slow alone."""


def whole_in_ci(test: Callable[P, T]) -> Callable[P, T]:
    """Marks a test that needs many seconds, where a cheaper one of the same rule runs everywhere."""
    for mark in UNLESS_IN_CI:
        test = mark(test)
    return test


def tries(few: int, many: int) -> int:
    """Of random draws: `many` where CI is set, else `few`, the first of the same sequence."""
    return many if IN_CI else few
