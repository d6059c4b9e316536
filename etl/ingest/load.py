"""From recorded runs to the store's tables: incremental, idempotent, one atomic commit a run."""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import StrobeError
from etl.ingest.sources.snapshots import Flattened, Work, flatten, metric_table, snapshot_scalars
from etl.ingest.summaries import attempts_table, metrics_table, runs_table, snapshots_table
from etl.run.folder import Run
from etl.run.journal import METRICS, Attempt, read_metrics
from etl.run.snapshot import MANIFEST, SnapshotError
from etl.store.compact import MANY_PARTS, merged_part
from etl.store.files import Files
from etl.store.pointer import (
    PartFile,
    Pointer,
    commit,
    prepare_store,
    read_pointer,
    read_rows,
    remove_unnamed,
    write_part,
)

CHUNK = 16
"""Snapshots that one task of the executor takes."""

Progress = Callable[[str, int, int], None]
"""Called with (run, snapshots done, snapshots to do)."""

Key = tuple[int, int]


@dataclass
class IngestReport:
    """What one ingest of one run did. `bad` names each file or line that was left out, with the reason."""

    run: str
    folder: Path
    snapshots: int = 0
    metrics: int = 0
    changed: bool = False
    status: str = "unknown"
    bad: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class _Changes:
    """The parts of each table after this ingest, for the tables that changed."""

    files: Files
    pointer: Pointer
    tables: dict[str, list[PartFile]] = field(default_factory=dict)

    def parts(self, table: str) -> list[PartFile]:
        return self.tables.get(table, self.pointer.tables.get(table, []))

    def rows(self, table: str) -> pa.Table:
        view = Pointer(self.pointer.run, 0, {table: self.parts(table)})
        return read_rows(self.files, view, table)

    def append(self, table: str, rows: pa.Table) -> None:
        if rows.num_rows:
            parts = [*self.parts(table), write_part(self.files, self.pointer.run, table, rows)]
            if len(parts) > MANY_PARTS:
                parts = [merged_part(self.files, self.pointer.run, table, parts)]
            self.tables[table] = parts

    def replace(self, table: str, rows: pa.Table) -> None:
        """Make these the table's only rows, unless they are that already."""
        if not rows.equals(self.rows(table)):
            self.tables[table] = [write_part(self.files, self.pointer.run, table, rows)] if rows.num_rows else []


def find_runs(path: str | os.PathLike[str]) -> list[Path]:
    """The run folders that `path` means: itself, or those directly inside it. Raises StrobeError for none."""
    folder = Path(path)
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise StrobeError(f"{folder}: {what}; give the folder of a run, which holds {MANIFEST}")
    if os.path.lexists(folder / MANIFEST):
        return [folder]
    inside = sorted(child for child in folder.iterdir() if child.is_dir() and os.path.lexists(child / MANIFEST))
    if not inside:
        raise StrobeError(f"{folder}: holds no {MANIFEST}, and neither does any folder in it: there is no run here")
    return inside


def _candidates(wanted: str) -> Iterator[str]:
    yield wanted
    for number in range(2, 10_000):
        suffix = f"-{number}"
        yield re.sub(r"[._-]+$", "", wanted[: 64 - len(suffix)]) + suffix


def _owned(pointer: Pointer, manifest_hash: int) -> bool:
    return not pointer.tables or pointer.state.get("manifest") == f"{manifest_hash:016x}"


def ingest_run(
    folder: str | os.PathLike[str],
    files: Files,
    *,
    executor: Executor,
    progress: Progress | None = None,
) -> IngestReport:
    """Bring one run's tables up to date with its folder. Raises ManifestError when the run cannot be read at all."""
    run = Run(folder)
    for name in _candidates(run.manifest.run.id):
        with files.lock(f"runs/{name}/.lock"):
            pointer = read_pointer(files, name)
            if _owned(pointer, run.manifest.hash):
                return _Ingest(run, files, pointer, executor, progress).work()
    raise StrobeError(f"{folder}: every name like {run.manifest.run.id!r} is taken in this store")


class _Ingest:
    """One ingest of one run, under its lock."""

    def __init__(
        self, run: Run, files: Files, pointer: Pointer, executor: Executor, progress: Progress | None
    ) -> None:
        self.run, self.files, self.pointer = run, files, pointer
        self.executor, self.progress = executor, progress
        self.changes = _Changes(files, pointer)
        self.state: dict[str, Any] = {"metrics_end": 0, "bad_lines": 0, "last_key": [-1, -1], **pointer.state}
        self.report = IngestReport(pointer.run, run.folder)

    def work(self) -> IngestReport:
        remove_unnamed(self.files, self.pointer)
        flattened = self._snapshots()
        self._scalars(flattened)
        self._summaries()
        self.state["manifest"] = f"{self.run.manifest.hash:016x}"
        if self.changes.tables or self.state != self.pointer.state:
            commit(self.files, self.pointer, self.changes.tables, self.state)
            self.report.changed = True
        return self.report

    def _on_disk(self) -> dict[Key, tuple[Path, int]]:
        """(attempt, step) -> path and CRC of each file whose header is sound."""
        sound: dict[Key, tuple[Path, int]] = {}
        for step, attempt, path in self.run.files():
            try:
                sound[attempt, step] = (path, self.run.open(path).payload_crc)
            except SnapshotError as error:
                self.report.bad.append((path.name, str(error)))
        return sound

    def _snapshots(self) -> list[Flattened]:
        known = self.changes.rows("snapshots")
        keys = zip(known["attempt"].to_pylist(), known["step"].to_pylist(), strict=True)
        before = dict(zip(keys, known["crc32"].to_pylist(), strict=True))
        disk = self._on_disk()
        new = {key for key, (_, crc) in disk.items() if before.get(key) != crc}
        todo, replaced = _plan(disk, set(before), new)
        flattened = [item for item in self._flatten(todo) if self._is_sound(item)]
        self._store_tensors(flattened, replaced)
        self.changes.replace("snapshots", snapshots_table(known, disk, flattened))
        self.report.snapshots = len([item for item in flattened if (item.attempt, item.step) in new])
        return flattened

    def _is_sound(self, item: Flattened) -> bool:
        if item.error is not None:
            self.report.bad.append((item.path.name, item.error))
        return item.error is None

    def _flatten(self, todo: Sequence[Work]) -> Iterator[Flattened]:
        chunks = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
        manifest, folder = self.run.manifest, self.run.folder
        futures = [self.executor.submit(flatten, folder, manifest, chunk) for chunk in chunks]
        done = 0
        for future in futures:
            for item in future.result():
                done += 1
                if self.progress is not None:
                    self.progress(self.pointer.run, done, len(todo))
                yield item

    def _store_tensors(self, flattened: Sequence[Flattened], replaced: set[Key]) -> None:
        rows = [item.tensors for item in flattened if item.tensors is not None]
        if not rows:
            return
        if not replaced:
            self.changes.append("tensors", pa.concat_tables(rows))
            return
        old = self.changes.rows("tensors")
        keys = zip(old["attempt"].to_pylist(), old["step"].to_pylist(), strict=True)
        kept = old.filter(pa.array([key not in replaced for key in keys], pa.bool_()))
        self.changes.replace("tensors", pa.concat_tables([kept, *rows]))

    def _scalars(self, flattened: Sequence[Flattened]) -> None:
        path = self.run.folder / METRICS
        size = path.stat().st_size if path.is_file() and not path.is_symlink() else 0
        if size < self.state["metrics_end"]:
            self.state |= {"metrics_end": 0, "last_key": [-1, -1], "bad_lines": 0}
        lines = read_metrics(path, self.state["metrics_end"])
        rows = metric_table(lines.rows)
        self.report.metrics = rows.num_rows
        if self._goes_back(rows):
            lines = read_metrics(path)
            self._rebuild_scalars(metric_table(lines.rows), flattened)
            self.state["bad_lines"] = len(lines.bad)
        else:
            self._append_scalars(rows, flattened)
            self.state["bad_lines"] += len(lines.bad)
        self.report.bad += [(METRICS, reason) for _, reason in lines.bad]
        self.state["metrics_end"] = lines.end
        if rows.num_rows:
            self.state["last_key"] = max(self.state["last_key"], list(max(_keys(rows))[:2]))

    def _goes_back(self, rows: pa.Table) -> bool:
        """True when a new line may replace a row that is stored already."""
        return bool(rows.num_rows) and list(min(_keys(rows))[:2]) <= self.state["last_key"]

    def _append_scalars(self, rows: pa.Table, flattened: Sequence[Flattened]) -> None:
        new = set(_keys(rows))
        snapshot_steps = {step for step, _, _ in self.run.files()}
        stored = self._stored_keys({item.step for item in flattened} | {key[1] for key in new} & snapshot_steps)
        if new & stored:
            # A snapshot was read before its step's line was there: the line wins.
            self._rebuild_scalars(metric_table(read_metrics(self.run.folder / METRICS).rows), flattened)
        else:
            self.changes.append("scalars", pa.concat_tables([rows, snapshot_scalars(flattened, new | stored)]))

    def _stored_keys(self, steps: set[int]) -> set[tuple[int, int, str]]:
        if not steps or not self.changes.parts("scalars"):
            return set()
        stored = self.changes.rows("scalars")
        return set(_keys(stored.filter(pc.is_in(stored["step"], value_set=pa.array(steps, pa.int64())))))

    def _rebuild_scalars(self, metrics: pa.Table, flattened: Sequence[Flattened]) -> None:
        """metrics.jsonl whole, and every row from snapshots that it does not have."""
        stored = self.changes.rows("scalars")
        stored = stored.filter(pc.greater_equal(stored["attempt"], 0))
        known = set(_keys(metrics))
        kept = stored.filter(pa.array([key not in known for key in _keys(stored)], pa.bool_()))
        extra = snapshot_scalars(flattened, known | set(_keys(kept)))
        self.changes.replace("scalars", pa.concat_tables([metrics, kept, extra]))

    def _summaries(self) -> None:
        attempts = self.run.attempts
        self.changes.replace("attempts", attempts_table(attempts))
        if "scalars" in self.changes.tables or "attempts" in self.changes.tables:
            self.changes.replace("metrics", metrics_table(self.changes.rows("scalars"), attempts))
        where = _snapshots_path(self.run.folder, self.files)
        metrics, snapshots = self.changes.rows("metrics"), self.changes.rows("snapshots")
        row = runs_table(self.run.manifest, attempts, metrics, snapshots, newest=self._newest(attempts))
        given = {"snapshots_path": where, "name": self.state.get("name"), "reduced": self.state.get("reduced")}
        for column, value in given.items():
            if value is not None:
                row = row.set_column(row.schema.get_field_index(column), column, pa.array([value]))
        self.report.status = row["status"][0].as_py()
        self.changes.replace("runs", row)

    def _newest(self, attempts: Sequence[Attempt]) -> float | None:
        """When the newest metric was written; asked only while nothing says that the run has ended."""
        if attempts and attempts[-1].end is not None:
            return None
        newest: float | None = pc.max(self.changes.rows("scalars")["time"]).as_py()
        return newest


def _keys(rows: pa.Table) -> list[tuple[int, int, str]]:
    columns = (rows["attempt"].to_pylist(), rows["step"].to_pylist(), rows["name"].to_pylist())
    return list(zip(*columns, strict=True))


def _snapshots_path(folder: Path, files: Files) -> str:
    """Relative to the store where a run travels with it, else absolute."""
    absolute = folder.resolve()
    if files.local is not None and absolute.is_relative_to(files.local.resolve()):
        return absolute.relative_to(files.local.resolve()).as_posix()
    return str(absolute)


def _plan(disk: dict[Key, tuple[Path, int]], known: set[Key], new: set[Key]) -> tuple[list[Work], set[Key]]:
    """What to flatten: the new snapshots, and those whose predecessor is new; and which stored rows that replaces."""
    steps: dict[int, list[int]] = {}
    for attempt, step in sorted(set(disk) | known):
        steps.setdefault(attempt, []).append(step)
    todo, replaced = [], set()
    for key in sorted(disk):
        attempt, step = key
        place = bisect.bisect_left(steps[attempt], step)
        before = (attempt, steps[attempt][place - 1]) if place else None
        if key in new or before in new:
            todo.append(Work(disk[key][0], disk[before][0] if before in disk else None))
            if key in known:
                replaced.add(key)
    return todo, replaced


def ingest(
    paths: Sequence[str | os.PathLike[str]],
    store: str | os.PathLike[str],
    *,
    jobs: int = 2,
    progress: Progress | None = None,
) -> list[IngestReport]:
    """Bring the tables of every run under `paths` up to date; one report a run, in order.

    Twice is once; a kill at any moment leaves the state before; of two at once, the second finds nothing to do.
    Raises StrobeError when there is no run, or the store is none.
    """
    folders = [folder for path in paths for folder in find_runs(path)]
    files = Files(store)
    prepare_store(files)
    with ThreadPoolExecutor(max_workers=jobs) as executor:
        return [ingest_run(folder, files, executor=executor, progress=progress) for folder in folders]
