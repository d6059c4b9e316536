"""Whether a run's derived tables are filled, and if not, why and what fills them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from etl.errors import StrobeError
from strobe.views.run_view import RunView, literal


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
    filled = [has_rows(view, table) for table in tables]
    if old.never:
        return Readiness("never", old.sentence)
    if not all(filled):
        return Readiness("missing", old.sentence or "Not analysed yet.")
    return Readiness("partly" if old.sentence else "ready", old.sentence)


def has_rows(view: RunView, table: str) -> bool:
    """Whether the run has any row in a table."""
    return bool(view.rows(f"SELECT count(*) AS n FROM {table} WHERE run = {literal(view.run)}")[0]["n"])
