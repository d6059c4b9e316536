"""Which rows are current: those that no later line of the same file and no later attempt replaced.

A row that a later line replaced has attempt -1. Attempt a ends where a later one starts: at its `cut_step`, which
the table `attempts` has, and which is NULL for an attempt that none followed.
"""

from __future__ import annotations

from collections.abc import Collection

CUTS = "cuts"
"""The relation (run, attempt, cut_step) of the attempts that were cut, which `current_rows` joins."""


def has_attempts(columns: Collection[str]) -> bool:
    """True for the tables whose rows belong to an attempt and a step, and can be superseded."""
    return "attempt" in columns and "step" in columns


def current_rows(rows: str, columns: Collection[str], *, cut: bool = True) -> str:
    """SQL of the current rows of the relation `rows`, which has `columns`.

    `cut` False leaves out the join to `cuts`, where it is known that no attempt of these rows was cut: over a large
    table the join costs as much as the query. A left join keeps the filters of a query pushed into the scan.
    """
    names = ", ".join(f't."{name}"' for name in columns)
    if not has_attempts(columns):
        return f"SELECT {names} FROM {rows} t"
    if not cut:
        return f"SELECT {names} FROM {rows} t WHERE t.attempt >= 0"
    keys = [name for name in ("run", "attempt") if name in columns]
    same = " AND ".join(f"t.{name} = c.{name}" for name in keys)
    return (
        f"SELECT {names} FROM {rows} t LEFT JOIN {CUTS} c ON {same} "
        "WHERE t.attempt >= 0 AND (c.cut_step IS NULL OR t.step < c.cut_step)"
    )
