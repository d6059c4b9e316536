"""From recordings to the store's tables: incremental, idempotent, one atomic commit a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from etl.errors import StrobeError
from etl.ingest.find import Found, survey
from etl.ingest.imports import imports_table
from etl.ingest.mapping import Given
from etl.ingest.scalars_of_run import ScalarsOfRun
from etl.ingest.source import SCALAR_ROWS, Loss, Recording, Snapshots
from etl.ingest.summaries import attempts_table, runs_table
from etl.run.attempts import Attempt
from etl.run.names import candidates, run_id
from etl.store.changes import Changes
from etl.store.damage import Damage, pointer_damage
from etl.store.files import UNREADABLE, Files
from etl.store.pointer import DamagedError, Pointer, read_pointer, remove_unnamed
from etl.store.remedy import remedy_for
from etl.store.schema import is_ingested
from etl.store.store_file import prepare_store

CHUNK = 16
"""Snapshots that one task of the executor takes."""

Progress = Callable[[str, int, int], None]
"""Called with (run, snapshots done, snapshots to do)."""


@dataclass
class IngestReport:
    """What one ingest of one recording did.

    `snapshots` and `metrics` count what was read now. `lost` names each file or line that was left out, and
    `lost_before` counts the lines that earlier ingests left out. `torn` counts the bytes of a last line without its
    end, which the next ingest reads.
    """

    run: str
    path: Path
    snapshots: int = 0
    metrics: int = 0
    changed: bool = False
    status: str = "unknown"
    torn: int = 0
    lost: list[Loss] = field(default_factory=list)
    lost_before: int = 0
    mapping: str = ""
    """In words, which columns were taken for what, where that was guessed or told."""
    nonfinite: bool = False
    """Whether a metric value that was added now, or one that stands otherwise now, is not finite."""
    restarts: list[int] = field(default_factory=list)
    """The first step of each attempt that was found now, but for the first one."""

    @property
    def sound(self) -> bool:
        """Whether the store has everything that the recording holds."""
        return not self.lost and not self.lost_before


def owned(pointer: Pointer, recording: Recording) -> bool:
    if not pointer.tables:
        return True
    # A pointer that names no source is of a time when run folders were the only one.
    return pointer.state.get("source", "snapshots") == recording.source and recording.resumes(pointer.state)


def ingest_recording(
    recording: Recording, files: Files, *, executor: Executor, progress: Progress | None = None
) -> IngestReport:
    """Bring one run's tables up to date with what it was recorded in.

    Raises StrobeError when that cannot be read at all, or another writer commits at the same moment.
    """
    wanted = recording.run_id
    for name in candidates(wanted):
        with files.lock(f"runs/{name}/.lock"):
            pointer = _sound(files, name)
            if owned(pointer, recording):
                return Ingest(recording, files, pointer, executor, progress).work()
    raise StrobeError(f"{recording.path}: every name like {wanted!r} is taken in this store")


def _sound(files: Files, run: str) -> Pointer:
    """The run's pointer. Raises DamagedError where it or a part of what an ingest fills cannot be used."""
    try:
        pointer = read_pointer(files, run)
    except UNREADABLE as error:
        raise DamagedError(str(pointer_damage(files, run, error))) from None
    for table in filter(is_ingested, pointer.tables):
        for part in pointer.tables[table]:
            if what := files.amiss(part.file, part.bytes):
                raise DamagedError(str(Damage(run, table, part.file, what, remedy_for(files, run))))
    return pointer


class Ingest:
    """One ingest of one recording, under its run's lock."""

    def __init__(
        self, recording: Recording, files: Files, pointer: Pointer, executor: Executor, progress: Progress | None
    ) -> None:
        self.recording, self.files, self.pointer = recording, files, pointer
        self.executor, self.progress = executor, progress
        self.changes = Changes(files, pointer)
        place = {"source": recording.source, "recording": files.place_of(recording.path)}
        self.state: dict[str, Any] = {"last_key": [-1, -1], **pointer.state, **place}
        self.report = IngestReport(pointer.run, recording.path)
        self.scalars = ScalarsOfRun(recording, self.changes, self.state)

    def work(self) -> IngestReport:
        try:
            return self._work()
        except BaseException:
            self.changes.drop()
            raise

    def _work(self) -> IngestReport:
        self._clean()
        snapshots = self.recording.snapshots(self.changes.rows("snapshots"), self._spread)
        if snapshots is not None:
            self._store(snapshots)
        self._scalars(SCALAR_ROWS.empty_table() if snapshots is None else snapshots.scalars)
        self._summaries()
        self._say_what_was_read([] if snapshots is None else snapshots.lost)
        self.report.mapping = self.recording.said
        self.report.changed = self._commit()
        return self.report

    def _clean(self) -> None:
        """Remove what an ingest that was killed has left."""
        remove_unnamed(self.files, self.pointer)

    def _commit(self) -> bool:
        return self.changes.commit(self.state)

    def _spread(self, function: Callable[[Sequence[Any]], Sequence[Any]], items: Sequence[Any]) -> Iterator[Any]:
        chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
        futures = [self.executor.submit(function, chunk) for chunk in chunks]
        done = 0
        for future in futures:
            for result in future.result():
                done += 1
                if self.progress is not None:
                    self.progress(self.pointer.run, done, len(items))
                yield result

    def _store(self, snapshots: Snapshots) -> None:
        self.report.lost += snapshots.lost
        self.report.snapshots = snapshots.added
        if not snapshots.replaced:
            self.changes.append("tensors", snapshots.tensors)
        else:
            stored = self.changes.rows("tensors")
            at = zip(stored["attempt"].to_pylist(), stored["step"].to_pylist(), strict=True)
            kept = stored.filter(pa.array([key not in snapshots.replaced for key in at], pa.bool_()))
            self.changes.replace("tensors", pa.concat_tables([kept, snapshots.tensors]))
        self.changes.replace("snapshots", snapshots.listing)

    def _scalars(self, of_snapshots: pa.Table) -> None:
        log = self.scalars.bring(of_snapshots)
        self.report.metrics, self.report.torn = log.rows, log.torn
        self.report.nonfinite = not self.scalars.added_are_finite
        self.report.lost += log.lost
        self.report.lost_before = self.state["tally"]["skipped"] - len(log.lost)

    def _say_what_was_read(self, of_snapshots: Sequence[Loss]) -> None:
        before = self.state.pop("lost_beside", 0)
        if of_snapshots:
            self.state["lost_beside"] = len(of_snapshots)
        if self.changes.tables or of_snapshots or before or self.report.lost:
            place, source = self.state["recording"], self.recording.source
            stored = self.changes.rows("imports")
            self.changes.replace("imports", imports_table(stored, self.state["tally"], source, place, of_snapshots))

    def _summaries(self) -> None:
        attempts, about = self.recording.attempts(), self.recording.about()
        cuts = self._cuts()
        self.report.restarts = [each.step for each in attempts[max(1, len(cuts)) :]]
        self.changes.replace("attempts", attempts_table(attempts))
        self.changes.replace("metrics", self.scalars.catalogue(attempts, same_cuts=self._cuts()[: len(cuts)] == cuts))
        metrics, snapshots = self.changes.rows("metrics"), self.changes.rows("snapshots")
        newest = self._newest(attempts)
        row = runs_table(about, self.recording.source, attempts, metrics, snapshots, newest=newest)
        place = None if about.snapshots is None else self.files.place_of(about.snapshots)
        given = {"snapshots_path": place, "name": self.state.get("name"), "reduced": self.state.get("reduced")}
        for column, value in given.items():
            if value is not None:
                row = row.set_column(row.schema.get_field_index(column), column, pa.array([value]))
        self.report.status = row["status"][0].as_py()
        self.changes.replace("runs", row)

    def _cuts(self) -> list[tuple[int, int | None]]:
        attempts = self.changes.rows("attempts")
        return list(zip(attempts["attempt"].to_pylist(), attempts["cut_step"].to_pylist(), strict=True))

    def _newest(self, attempts: Sequence[Attempt]) -> float | None:
        """When the newest metric was written; asked only while nothing says that the run has ended."""
        if attempts and attempts[-1].end is not None:
            return None
        return self.scalars.newest_time()


def ingest(
    paths: Sequence[str | os.PathLike[str]],
    store: str | os.PathLike[str] | Files,
    *,
    jobs: int = 2,
    progress: Progress | None = None,
    given: Given | None = None,
    surveyed: Callable[[Found], None] | None = None,
) -> list[IngestReport]:
    """Bring the tables of every recording under `paths` up to date; one report each, in order.

    `given` says what the columns of tables are that no source knows; `surveyed` is told what each path holds.
    Twice is once; a kill at any moment leaves the state before; of two at once, the second finds nothing to do.
    Raises StrobeError when there is nothing to read, or the store is none.
    """
    files = Files.of(store)
    found = [_surveyed(path, given, files) for path in paths]
    for each in found:
        if surveyed is not None:
            surveyed(each)
    recordings = [recording for each in found for recording in each.recordings]
    prepare_store(files)
    with ThreadPoolExecutor(max_workers=jobs) as executor:
        reports = []
        for recording in recordings:
            try:
                reports.append(ingest_recording(recording, files, executor=executor, progress=progress))
            except StrobeError as error:
                # What one recording lacks never costs another; where there is no other, it is the answer.
                if len(recordings) == 1 and not isinstance(error, DamagedError):
                    raise
                reports.append(_unread(recording, error))
        return reports


def _surveyed(path: str | os.PathLike[str], given: Given | None, files: Files) -> Found:
    """`survey`, in which a table that no name tells the step of is read as a person said of it before."""
    try:
        found = survey(path, given)
        lacking = bool(found.tables_passed_over)
    except StrobeError:
        if given is not None or not (told := _told(files)):
            raise
        return survey(path, None, told)
    return survey(path, None, told) if lacking and given is None and (told := _told(files)) else found


def _told(files: Files) -> dict[Path, Given]:
    """What was said of the tables that the store has, by where they lie."""
    found: dict[Path, Given] = {}
    for run in files.names("runs"):
        try:
            state = read_pointer(files, run).state
        except UNREADABLE:
            continue
        told = state.get("memory", {}).get("told")
        place = files.recording_at(str(state.get("recording", ""))) if told else None
        if place is not None:
            roles = {role: told[role] for role in ("step", "time", "epoch", "tokens") if told.get(role)}
            found[place.resolve()] = Given(roles, told.get("names", {}))
    return found


def _unread(recording: Recording, error: StrobeError) -> IngestReport:
    """The report of a recording that cannot be read, or whose run is damaged in the store."""
    if isinstance(error, DamagedError):
        lost = Loss("what the store has of it", str(error))
        return IngestReport(recording.run_id, recording.path, status="damaged", lost=[lost])
    lost = Loss(recording.path.name, str(error))
    return IngestReport(run_id(recording.path.name), recording.path, status="unread", lost=[lost])
