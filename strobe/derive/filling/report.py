"""What one run of the analyses did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypedDict

Progress = Callable[[str, int, int], None]
"""Called with (run, snapshots done, snapshots to do)."""


class Nulls(TypedDict):
    """Rows of a table whose measured value is NULL, of how many, and how many for each reason."""

    null: int
    rows: int
    reasons: dict[str, int]


@dataclass
class Report:
    """`computed`: table -> snapshots, or rows of a table that is made of others. `current`: tables that needed
    nothing. `skipped`: table -> why this run cannot have it. `bad`: (what, why) of what could not be read. `lacking`:
    the same of snapshots that were recorded without what a table needs: they have no rows of it."""

    run: str
    computed: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    bad: list[tuple[str, str]] = field(default_factory=list)
    lacking: list[tuple[str, str]] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    """Table -> steps whose rows were removed because a later attempt cut those steps off."""

    current: list[str] = field(default_factory=list)
    nulls: dict[str, Nulls] = field(default_factory=dict)
    """Of the tables that the run has, up to date or not, those with rows that hold no value."""

    def skip(self, table: str, error: Exception) -> None:
        """The run cannot have this table."""
        self.computed.pop(table, None)
        self.skipped[table] = str(error)

    def damaged(self, what: str, error: Exception) -> None:
        """Something could not be read; said once."""
        if (what, str(error)) not in self.bad:
            self.bad.append((what, str(error)))
