"""One run in a share: its tables, its snapshots as far as they fit, and what became of each."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.store.catalogue import Store
from etl.store.files import Files
from etl.store.pointer import Pointer, pointer_name, read_rows
from etl.store.stored_run import StoredRun
from strobe.derive.analysis import TableAnalysis
from strobe.derive.filling.staleness import is_current, stale, table_stamp
from strobe.derive.milestones import milestones
from strobe.derive.registry import ANALYSES
from strobe.derive.study_files import FOLDER, read_point
from strobe.share import snapshots as kept_snapshots
from strobe.share import tables as kept_tables
from strobe.share.scrub import Scrubber
from strobe.share.snapshots import Kept, Mode
from strobe.share.thinning import steps_by_information

_NONE: Final = frozenset[str]()
_GRADIENTS: Final = frozenset({"grads"})
_MOST: Final = frozenset({"grads", "residual", "activations", "buffers"})
MODES: Final = (
    Mode("float16", _NONE), Mode("float16", _GRADIENTS), Mode("int8", _GRADIENTS), Mode("int8", _MOST),
)  # fmt: skip
"""How snapshots are kept, the best first: the first under which `ENOUGH` of them fit."""
ENOUGH: Final = 24
FEWEST: Final = 4
"""With fewer there is nothing to follow: then none is kept."""


@dataclass
class RunReport:
    """What was kept, thinned and dropped of a run, as share.json has it."""

    run: str
    bytes: int = 0
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    snapshots: dict[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)
    """Derived tables that lack rows or have old ones, in the share as in the store it was made of."""
    study_bytes: int = 0


@dataclass(frozen=True)
class Subject:
    """A run that is to be shared, and what its steps are chosen by."""

    stored: StoredRun
    curves: Sequence[dict[int, float]]
    always: tuple[int, ...]

    @classmethod
    def of(cls, store: Store, stored: StoredRun) -> Subject:
        """Validation loss (or the training loss) and the norm of all weights, by step; the grokking onset."""
        return cls(stored, [_loss(store, stored.id), _norm(store, stored.id)], _onset(store, stored.id))

    def steps(self, among: Sequence[int], count: int) -> list[int]:
        return steps_by_information(among, count, self.curves, self.always)

    @property
    def wanted(self) -> int:
        """Bytes that would keep all of it."""
        parts = sum(part.bytes for table in self.stored.pointer.tables.values() for part in table)
        steps = self.stored.steps()
        each = kept_snapshots.bytes_per_snapshot(self.stored.recording().manifest.raw, MODES[0]) if steps else 0
        return parts + each * len(steps)


def _loss(store: Store, run: str) -> dict[int, float]:
    for name in ("val_loss", "train_loss"):
        query = "SELECT step, value FROM scalars WHERE run = $1 AND name = $2 AND value IS NOT NULL ORDER BY step"
        rows = store.sql(query, [run, name])
        if rows.num_rows:
            return dict(zip(rows["step"].to_pylist(), rows["value"].to_pylist(), strict=True))
    return {}


def _norm(store: Store, run: str) -> dict[int, float]:
    query = """SELECT step, sqrt(sum(l2::DOUBLE ** 2)) AS norm FROM tensors
    WHERE run = $1 AND section = 'params' AND l2 IS NOT NULL GROUP BY step ORDER BY step"""
    rows = store.sql(query, [run])
    return dict(zip(rows["step"].to_pylist(), rows["norm"].to_pylist(), strict=True))


def _onset(store: Store, run: str) -> tuple[int, ...]:
    onset = milestones(store.sql, run).onset
    return () if onset.step is None else (onset.step,)


class Sharing:
    """Writes one run into the store at `files`."""

    def __init__(self, subject: Subject, files: Files, scrubber: Scrubber, on_step: Callable[[], None]) -> None:
        self.subject, self.stored, self.files = subject, subject.stored, files
        self.scrubber, self.on_step = scrubber, on_step
        self.report = RunReport(self.stored.id)

    def write(self, allowance: int) -> RunReport:
        """As much of the run as `allowance` bytes hold. Raises StrobeError where its tables alone do not fit."""
        level, written = self._tables(allowance)
        used = sum(each.part.bytes for each in written.values())
        kept = self._snapshots(allowance - used)
        pointer = self._point_to(written, kept, level)
        self.files.put(pointer_name(self.stored.id), pointer.to_bytes())
        self._tell(written, kept)
        return self.report

    def _tables(self, allowance: int) -> tuple[kept_tables.Level, dict[str, kept_tables.Written]]:
        stepped = sorted(set(read_rows(self.stored.files, self.stored.pointer, "tensors")["step"].to_pylist()))
        most = allowance // 2 if self.stored.steps() else allowance
        for level in kept_tables.LEVELS:
            written = kept_tables.write(
                self.files, self.stored.files, self.stored.pointer, level,
                lambda count: self.subject.steps(stepped, count), self.scrubber,
            )  # fmt: skip
            size = sum(each.part.bytes for each in written.values())
            if size <= most or (level is kept_tables.LEVELS[-1] and size <= allowance):
                return level, written
            for table in written:
                self.files.remove_all(f"tables/{table}/run={self.stored.id}")
        raise StrobeError(
            f"run {self.stored.id}: its tables take {size / 1e6:.1f} MB at their coarsest, and "
            f"{max(0, allowance) / 1e6:.1f} MB are left for it; leave out a run, or give a larger --max-size"
        )

    def _study(self) -> list[Path]:
        """The files of the study that the run is of; none of another run."""
        folder = self.stored.folder
        inside = sorted((folder / FOLDER).iterdir()) if folder is not None and (folder / FOLDER).is_dir() else []
        return [path for path in inside if path.suffix in (".json", ".parquet") and not path.name.startswith(".")]

    def _take_study(self) -> int:
        """Those files without traces; returns their size."""
        place = f"runs/{self.stored.id}/snapshots/{FOLDER}"
        for path in self._study():
            if path.suffix == ".json":
                clean = self.scrubber.value(json.loads(path.read_bytes()))
                self.files.put(f"{place}/{path.name}", json.dumps(clean, sort_keys=True).encode())
            else:
                self.files.put_table(f"{place}/{path.name}", self.scrubber.rows(read_point(path)))
        return sum((self.folder / FOLDER / path.name).stat().st_size for path in self._study())

    @property
    def folder(self) -> Path:
        """Where the run's snapshots lie in the share."""
        assert self.files.local is not None
        return self.files.local / f"runs/{self.stored.id}/snapshots"

    def _snapshots(self, allowance: int) -> Kept | None:
        steps = self.stored.steps()
        kept = self._fitting(steps, allowance - sum(path.stat().st_size for path in self._study())) if steps else None
        if kept is not None and self._study():
            self.report.study_bytes = self._take_study()
        return kept

    def _fitting(self, steps: Sequence[int], allowance: int) -> Kept | None:
        """Values that do not fit their bits make files larger than counted: then again with what that tells."""
        recording, room = self.stored.recording(), allowance
        for _ in range(6):
            mode, count = self._choose(steps, room)
            if count < min(FEWEST, len(steps)):
                break
            chosen = self.subject.steps(steps, count)
            kept = kept_snapshots.write(
                recording, self.stored.at, self.folder, chosen, mode, self.scrubber, self.on_step
            )
            if kept.bytes <= allowance:
                self.report.dropped = sorted(
                    mode.dropped & {each.section for each in recording.manifest.snapshot.tensors}
                )
                return kept
            shutil.rmtree(self.folder)
            room = int(room * min(0.9, allowance / kept.bytes))
        each = kept_snapshots.bytes_per_snapshot(recording.manifest.raw, MODES[-1])
        self.report.snapshots["reason"] = f"one takes {each / 1e6:.1f} MB, and {allowance / 1e6:.1f} MB were left"
        return None

    def _choose(self, steps: Sequence[int], room: int) -> tuple[Mode, int]:
        raw = self.stored.recording().manifest.raw
        room -= len(json.dumps(raw)) * 2
        for mode in MODES:
            count = min(len(steps), room // kept_snapshots.bytes_per_snapshot(raw, mode))
            if count >= min(ENOUGH, len(steps)):
                return mode, count
        return mode, count

    def _point_to(
        self, written: dict[str, kept_tables.Written], kept: Kept | None, level: kept_tables.Level
    ) -> Pointer:
        source, pointer = self.stored.files, self.stored.pointer
        there = {} if kept is None else {(s.step, s.attempt): s for s in self._opened(kept)}
        rows = read_rows(source, pointer, "snapshots")
        crcs, changed = {}, []
        for row in rows.to_pylist():
            now = there.get((row["step"], row["attempt"]))
            row |= {"file": None, "modified": None}
            if now is not None:
                crcs[str(row["step"])] = (int(row["crc32"] or 0), now.payload_crc)
                row |= {"file": now.path.name, "bytes": now.size, "crc32": now.payload_crc}
            changed.append(row)
        for table, content in (
            ("snapshots", pa.Table.from_pylist(changed, rows.schema)),
            ("runs", self._about(read_rows(source, pointer, "runs"), kept, level)),
        ):
            part = kept_tables.put(self.files, self.stored.id, table, self.scrubber.rows(content))
            before = sum(each.bytes for each in pointer.tables.get(table, ()))
            written[table] = kept_tables.Written(part, content.num_rows, content.num_rows, before)
        return self._pointer(written, crcs, json.dumps(self._reduced(kept, level), sort_keys=True))

    def _opened(self, kept: Kept) -> list[Any]:
        run = Run(self.folder)
        return [run.at(step) for step in kept.steps]

    def _about(self, rows: pa.Table, kept: Kept | None, level: kept_tables.Level) -> pa.Table:
        place = None if kept is None else f"runs/{self.stored.id}/snapshots"
        reduced = json.dumps(self._reduced(kept, level), sort_keys=True)
        for column, value in (("snapshots_path", place), ("reduced", reduced)):
            rows = rows.set_column(rows.schema.get_field_index(column), column, pa.array([value], pa.string()))
        return rows

    def _reduced(self, kept: Kept | None, level: kept_tables.Level) -> dict[str, Any]:
        """What `runs.reduced` says: with what was said before, since a share may be made of a thinned run."""
        before = json.loads(self.stored.row["reduced"] or "{}")
        before = before if isinstance(before, dict) else {}
        recorded = before.get("snapshots_recorded", len(self.stored.steps()))
        said: dict[str, Any] = {
            "snapshots_kept": 0 if kept is None else len(kept.steps), "snapshots_recorded": recorded,
            "sections_dropped": sorted({*before.get("sections_dropped", []), *self.report.dropped}),
            "float32_as_float16": bool(before.get("float32_as_float16")),
        }  # fmt: skip
        if kept is not None and kept.stored():
            said["stored"] = kept.stored()
        if level.points is not None:
            said["curve_points"] = level.points
        if level.steps is not None:
            said["statistics_steps"] = level.steps
        return said

    def _pointer(
        self, written: dict[str, kept_tables.Written], crcs: dict[str, tuple[int, int]], reduced: str
    ) -> Pointer:
        old = self.stored.pointer
        new = Pointer(self.stored.id, 1, {table: [each.part] for table, each in sorted(written.items())})
        current = {
            table: table_stamp(analysis, new)
            for table, analysis in ANALYSES.items()
            if isinstance(analysis, TableAnalysis) and is_current(analysis, self.stored.files, old)
        }
        state: dict[str, Any] = {"reduced": reduced}
        state |= {key: self.scrubber.value(old.state[key]) for key in ("name", "annotations") if key in old.state}
        state["derived"] = kept_tables.stamps_for(old.state.get("derived"), crcs, current)
        new.state = state
        return new

    def _tell(self, written: dict[str, kept_tables.Written], kept: Kept | None) -> None:
        report = self.report
        report.tables = {
            table: {"rows": each.rows, "of_rows": each.of, "bytes": each.part.bytes, "of_bytes": each.of_bytes}
            for table, each in sorted(written.items())
        }
        recorded = self.stored.steps()
        report.snapshots |= {"kept": [] if kept is None else kept.steps, "of": len(recorded)}
        if kept is not None:
            report.snapshots |= {"bytes": kept.bytes, "stored": kept.stored(), "left_out": kept.left_out}
            report.snapshots["max_error"] = {
                each["name"]: [each["dtype"], each["stored"]["max_error"]]
                for each in kept.tensors
                if "stored" in each
            }
        report.outdated = outdated(self.stored)
        report.bytes = sum(each["bytes"] for each in report.tables.values())
        report.bytes += report.snapshots.get("bytes", 0) + report.study_bytes


def outdated(stored: StoredRun) -> list[str]:
    """The derived tables that `strobe analyze` would fill; none where the snapshots are not at hand."""
    found = []
    for table in ANALYSES:
        with contextlib.suppress(StrobeError):
            found += [table] if stale(stored, table) else []
    return sorted(found)
