"""Whether a run's derived tables are filled, and if not, why and what fills them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from etl.errors import StrobeError
from strobe.views.run_view import RunView, literal

UNANALYSED: Final = "Not analysed yet."


@dataclass(frozen=True)
class Readiness:
    """`status`: ready; never (the run can have no rows); partly (rows, but some missing or out of date); missing (no
    rows yet). `sentence` says why, without the remedy; empty where all is well."""

    status: Literal["ready", "never", "partly", "missing"]
    sentence: str = ""


@dataclass(frozen=True)
class Outdated:
    """What of some derived tables is missing or out of date, in a sentence; empty where nothing is. `never`: the run
    can have no rows."""

    sentence: str = ""
    never: bool = False


def outdated(view: RunView, tables: Sequence[str]) -> Outdated:
    """Looks at the run's snapshots and at what its rows were made from."""
    from strobe.derive.filling.staleness import stale
    from strobe.derive.recorded_run import NotApplicableError

    try:
        counts = {table: len(stale(view.tables.run(view.run), table)) for table in tables}
    except NotApplicableError as error:
        return Outdated(f"Nothing to show for this run: {error}.", never=True)
    except (StrobeError, OSError) as error:
        return Outdated(f"The snapshots cannot be read ({error}).")
    if not any(counts.values()):
        return Outdated()
    table, count = max(counts.items(), key=lambda item: item[1])
    return Outdated(
        f"{count:,} of {len(view.steps):,} snapshots are not analysed yet, or their rows are out of date ({table})."
    )


def readiness(view: RunView, tables: Sequence[str], old: Outdated) -> Readiness:
    """Whether the run has up-to-date rows in all of these derived tables; `old` is what `outdated` says of them."""
    lacking = why_lacking(view, tables)
    if old.never:
        return Readiness("never", old.sentence)
    if lacking:
        return Readiness("missing", old.sentence if old.sentence and lacking == UNANALYSED else lacking)
    return Readiness("partly" if old.sentence else "ready", old.sentence)


def why_lacking(view: RunView, tables: Sequence[str]) -> str:
    """Why the run has no row in some of these tables; empty where it has rows in all."""
    empty = [table for table in tables if not has_rows(view, table)]
    if not empty:
        return ""
    damaged = {damage.table for damage in view.tables.damage() if damage.run == view.run}
    if lost := [table for table in empty if table in damaged]:
        return f"Cannot be read, and can be computed again: {', '.join(lost)}."
    return UNANALYSED


def has_rows(view: RunView, table: str) -> bool:
    """Whether the run has any row in a table."""
    return bool(view.rows(f"SELECT count(*) AS n FROM {table} WHERE run = {literal(view.run)}")[0]["n"])
