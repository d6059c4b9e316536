"""Which rows of a derived table are missing or out of date, and whether a run can have the table at all.

A stamp tells what rows were made of. The pointer keeps one for each step of a table that is computed snapshot by
snapshot, and one under "all" for a table that is computed from others.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable

from etl.checkpoints.run import open_run
from etl.errors import StrobeError
from etl.run.snapshot_errors import SnapshotError
from etl.store.files import Files
from etl.store.pointer import Pointer
from etl.store.stored_run import StoredRun
from strobe.derive.analysis import SnapshotAnalysis, TableAnalysis
from strobe.derive.filling.parts import is_readable, stored_steps
from strobe.derive.recorded_run import RecordedRun
from strobe.derive.registry import ANALYSES
from strobe.derive.subject import Subject


def stored_stamps(pointer: Pointer, table: str) -> dict[str, str]:
    """Step (as text), or "all" -> stamp of the rows that the store has."""
    derived = pointer.state.get("derived")
    stamps = derived.get(table) if isinstance(derived, dict) else None
    return dict(stamps) if isinstance(stamps, dict) else {}


def with_stamps(pointer: Pointer, stamps: dict[str, dict[str, str]]) -> dict[str, object]:
    """The pointer's state with these tables' stamps in place of theirs."""
    derived = pointer.state.get("derived")
    return pointer.state | {"derived": (dict(derived) if isinstance(derived, dict) else {}) | stamps}


def step_stamps(analysis: SnapshotAnalysis, subject: Subject, steps: Iterable[int]) -> dict[int, str]:
    """Step -> what its rows depend on: the definition, the snapshot's bytes, and what the analysis says besides.

    A damaged snapshot has no stamp.
    """
    more, stamps = analysis.depends_on(subject), {}
    for step in steps:
        with contextlib.suppress(SnapshotError):
            stamps[step] = f"{analysis.definition}:{subject.recorded.payload_crc(step):08x}{more}"
    return stamps


def table_stamp(analysis: TableAnalysis, pointer: Pointer) -> str:
    """What the table's rows depend on: the definition, and the parts of its sources."""
    parts = [part.file for table in analysis.sources for part in pointer.tables.get(table, [])]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return f"{analysis.definition}:{digest}"


def without_rows(stamp: str) -> str:
    """The stamp of a step that has no rows, since its snapshot was recorded without what they need."""
    return f"{stamp}:none"


def missing(analysis: SnapshotAnalysis, wanted: dict[int, str], files: Files, pointer: Pointer) -> dict[int, str]:
    """Those of the `wanted` steps, with their stamps, whose rows the store lacks or has of another stamp."""
    stamps, stored = stored_stamps(pointer, analysis.table), stored_steps(files, pointer, analysis.table)
    return {
        step: stamp for step, stamp in wanted.items()
        if stamps.get(str(step)) not in ([stamp, without_rows(stamp)] if step in stored else [without_rows(stamp)])
    }  # fmt: skip


def is_current(analysis: TableAnalysis, files: Files, pointer: Pointer) -> bool:
    """Whether a table that is made of others has been made of them as they are."""
    same = stored_stamps(pointer, analysis.table).get("all") == table_stamp(analysis, pointer)
    return same and is_readable(files, pointer, analysis.table)


def stale(stored: StoredRun, table: str) -> list[int]:
    """Steps whose rows of a derived table are missing, out of date, or cut off by a later attempt.

    Every ingested step for a table that is made of others and is out of date. None where the snapshots are not at
    hand. Raises NotApplicableError where the run cannot have the table.
    """
    if stored.folder is None:
        return []
    analysis, subject = ANALYSES[table], Subject(RecordedRun(open_run(stored.folder)))
    analysis.check(subject)
    # What a running training wrote since the last ingest is no page's business yet.
    steps = stored_steps(stored.files, stored.pointer, "snapshots") & set(subject.recorded.steps)
    if isinstance(analysis, TableAnalysis):
        return [] if is_current(analysis, stored.files, stored.pointer) else sorted(steps)
    assert isinstance(analysis, SnapshotAnalysis)
    outdated = missing(analysis, step_stamps(analysis, subject, steps), stored.files, stored.pointer)
    return sorted(set(outdated) | (stored_steps(stored.files, stored.pointer, table) & subject.recorded.superseded))


def why_never(stored: StoredRun, table: str) -> str:
    """Why a run cannot have a derived table, as an analysis would say it; "" where nothing speaks against it."""
    if stored.folder is None:
        return ""
    try:
        ANALYSES[table].check(Subject(RecordedRun(open_run(stored.folder))))
    except StrobeError as error:
        return str(error)
    return ""
