"""Bringing the derived tables of one run up to date: only what is missing or stale, a few snapshots a commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etl.checkpoints.run import open_run
from etl.errors import StrobeError
from etl.run.snapshot_errors import LacksError, SnapshotError
from etl.store.catalogue import Store
from etl.store.pointer import commit, read_pointer, remove_unnamed, write_part
from etl.store.stored_run import StoredRun
from strobe.derive.analysis import Analysis, Row, SnapshotAnalysis, TableAnalysis
from strobe.derive.filling.parts import replaced, stored_steps, without
from strobe.derive.filling.report import Progress, Report
from strobe.derive.filling.staleness import (
    is_current,
    missing,
    step_stamps,
    stored_stamps,
    table_stamp,
    with_stamps,
    without_rows,
)
from strobe.derive.recorded_run import NotApplicableError, RecordedRun
from strobe.derive.registry import ANALYSES
from strobe.derive.subject import Subject

CHUNK = 4
"""Snapshots between two commits: what a kill can cost."""

Todo = dict[SnapshotAnalysis, dict[int, str]]
"""What to compute: analysis -> step -> stamp."""


def with_required(tables: Iterable[str]) -> set[str]:
    """Tables, and those without which they have no rows."""
    found, left = set(), list(tables)
    while left:
        if (table := left.pop()) not in found:
            found.add(table)
            analysis = ANALYSES.get(table)
            left += analysis.requires if isinstance(analysis, TableAnalysis) else ()
    return found


class Deriver:
    """The analyses of one run, under its lock only while committing: an ingest may go on beside it."""

    def __init__(self, store: Store, stored: StoredRun, progress: Progress | None = None) -> None:
        """Raises StrobeError when the snapshots are not on this machine."""
        if stored.folder is None:
            raise StrobeError(
                f"run {stored.id!r} has no snapshots on this machine: its derived tables stay as they are"
            )
        self.store, self.stored, self.files = store, stored, stored.files
        self.subject = Subject(RecordedRun(open_run(stored.folder)))
        self.progress = progress or (lambda *_: None)
        self.report = Report(stored.id)

    def fill(
        self, tables: Iterable[str] | None = None, steps: Iterable[int] | None = None, beside: Iterable[str] = ()
    ) -> Report:
        """Bring some tables (None: all) up to date, and first those that they require, for all snapshots or those of
        `steps`; and those `beside`, from what there is then. Raises StrobeError where the run has a snapshot at none
        of those."""
        wanted = with_required(ANALYSES if tables is None else tables) | set(beside)
        analyses = [analysis for table, analysis in ANALYSES.items() if table in wanted]
        chosen = self._chosen(steps)
        of_snapshots = [analysis for analysis in analyses if isinstance(analysis, SnapshotAnalysis)]
        self._drop_superseded(of_snapshots)
        # Table by table inside a chunk, so that those of neurons and logits share one forward pass.
        todo = {analysis: due for analysis in of_snapshots if (due := self._due(analysis, chosen))}
        every = sorted({step for due in todo.values() for step in due})
        for start in range(0, len(every), CHUNK):
            self._chunk(todo, every[start : start + CHUNK], start, len(every))
        for analysis in analyses:
            if isinstance(analysis, TableAnalysis):
                self._from_tables(analysis)
        self._count_nulls(analyses)
        return self.report

    def _count_nulls(self, analyses: Iterable[Analysis]) -> None:
        """What the rows that the store has now do not know, and why."""
        catalogue = self.store.current().of(self.stored.id)
        for analysis in analyses:
            if not analysis.value or analysis.table in self.report.skipped:
                continue
            counted = catalogue.query(
                f"""SELECT {analysis.value} IS NULL AS null, note, count(*) AS n FROM {analysis.table}
WHERE run = $1 GROUP BY ALL ORDER BY n DESC, note""",
                [self.stored.id],
            ).to_pylist()
            reasons = {row["note"] or "no reason was recorded": row["n"] for row in counted if row["null"]}
            if reasons:
                total = sum(row["n"] for row in counted)
                self.report.nulls[analysis.table] = {
                    "null": sum(reasons.values()), "rows": total, "reasons": reasons,
                }  # fmt: skip

    def _chosen(self, steps: Iterable[int] | None) -> list[int]:
        recorded = self.subject.recorded.steps
        if steps is None:
            return recorded
        chosen = sorted(set(steps) & set(recorded))
        if not chosen:
            around = f"from {recorded[0]:,} to {recorded[-1]:,}" if recorded else "none at all"
            raise StrobeError(f"no snapshot to analyse at those steps; the run has {len(recorded):,}: {around}")
        return chosen

    def _drop_superseded(self, analyses: Sequence[SnapshotAnalysis]) -> None:
        """Remove the rows of steps that a resume cut off: derived tables have no attempt to tell them by."""
        superseded = self.subject.recorded.superseded
        if not superseded:
            return
        with self.files.lock(f"runs/{self.stored.id}/.lock"):
            pointer = read_pointer(self.files, self.stored.id)
            parts, stamps = {}, {}
            for table in (analysis.table for analysis in analyses):
                if cut := stored_steps(self.files, pointer, table) & superseded:
                    parts[table] = without(self.files, pointer, table, cut)
                    old = stored_stamps(pointer, table)
                    stamps[table] = {step: stamp for step, stamp in old.items() if int(step) not in cut}
                    self.report.dropped[table] = len(cut)
            if parts:
                commit(self.files, pointer, parts, with_stamps(pointer, stamps))

    def _due(self, analysis: SnapshotAnalysis, chosen: Sequence[int]) -> dict[int, str]:
        """Step -> stamp of the snapshots to compute; a table that cannot be is remembered as skipped."""
        self.report.computed[analysis.table] = 0
        try:
            analysis.check(self.subject)
            wanted = step_stamps(analysis, self.subject, chosen)
        except NotApplicableError as error:
            self.report.skip(analysis.table, error)
            return {}
        for step in chosen:
            if step not in wanted:
                self._name_damage(step)
        due = missing(analysis, wanted, self.files, read_pointer(self.files, self.stored.id))
        if not due and len(wanted) == len(chosen):
            self.report.current.append(analysis.table)
        return due

    def _name_damage(self, step: int) -> None:
        """Say once what is wrong with a snapshot that cannot be opened."""
        try:
            self.subject.recorded.at(step)
        except SnapshotError as error:
            self.report.damaged(f"step {step:,}", error)

    def _chunk(self, todo: Todo, steps: Sequence[int], done: int, total: int) -> None:
        rows: dict[SnapshotAnalysis, list[Row]] = {analysis: [] for analysis in todo}
        stamps: dict[SnapshotAnalysis, dict[int, str]] = {analysis: {} for analysis in todo}
        for number, step in enumerate(steps):
            for analysis, due in todo.items():
                if step not in due or analysis.table in self.report.skipped:
                    continue
                if (made := self._add(analysis, step, rows)) is not None:
                    stamps[analysis][step] = due[step] if made else without_rows(due[step])
            self.progress(self.stored.id, done + number + 1, total)
        self._commit({analysis: (rows[analysis], stamps[analysis]) for analysis in todo if stamps[analysis]})

    def _add(self, analysis: SnapshotAnalysis, step: int, rows: dict[SnapshotAnalysis, list[Row]]) -> bool | None:
        """Whether the step has rows, which were added; None where that could not be found out."""
        try:
            rows[analysis] += analysis.rows(self.subject, step)
        except NotApplicableError as error:
            self.report.skip(analysis.table, error)
        except LacksError as error:
            self.report.lacking.append((f"{analysis.table} at step {step:,}", str(error)))
            return False
        except SnapshotError as error:
            self.report.damaged(f"{analysis.table} at step {step:,}", error)
        else:
            self.report.computed[analysis.table] += 1
            return True
        return None

    def _commit(self, changes: dict[SnapshotAnalysis, tuple[list[Row], dict[int, str]]]) -> None:
        if not changes:
            return
        with self.files.lock(f"runs/{self.stored.id}/.lock"):
            pointer = read_pointer(self.files, self.stored.id)
            parts, stamps = {}, {}
            for analysis, (rows, own) in changes.items():
                parts[analysis.table] = replaced(self.files, pointer, analysis, rows, set(own))
                fresh = {str(step): stamp for step, stamp in own.items()}
                stamps[analysis.table] = stored_stamps(pointer, analysis.table) | fresh
            commit(self.files, pointer, parts, with_stamps(pointer, stamps))

    def _damaged_sources(self, analysis: TableAnalysis) -> str:
        """What of the tables that an analysis reads is left out, and what mends it; "" where all is there."""
        catalogue = self.store.current().of(self.stored.id)
        catalogue.verify(analysis.sources)
        return "; ".join(str(damage) for damage in catalogue.damage if damage.table in analysis.sources)

    def _from_tables(self, analysis: TableAnalysis) -> None:
        """Computed from the other tables as they are now, and again when any of them changed."""
        table, run = analysis.table, self.stored.id
        self.report.computed[table] = 0
        try:
            analysis.check(self.subject)
        except NotApplicableError as error:
            self.report.skip(table, error)
            return
        pointer = read_pointer(self.files, run)
        if is_current(analysis, self.files, pointer):
            self.report.current.append(table)
            return
        if lost := self._damaged_sources(analysis):
            # From what is left the rows would be of another run: none at all, or those of some of its steps.
            del self.report.computed[table]
            self.report.damaged(table, StrobeError(lost))
            return
        stamps, rows = (
            {table: {"all": table_stamp(analysis, pointer)}},
            analysis.rows(self.store.current().of(run), run),
        )
        with self.files.lock(f"runs/{run}/.lock"):
            pointer = read_pointer(self.files, run)
            parts = [write_part(self.files, run, table, analysis.part(rows))] if rows else []
            remove_unnamed(self.files, commit(self.files, pointer, {table: parts}, with_stamps(pointer, stamps)))
        self.report.computed[table] = sum(map(analysis.counted, rows))
