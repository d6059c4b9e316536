"""A run's own folder (docs/snapshot-format.md): manifest.json, its snapshots, and its two line logs."""

from __future__ import annotations

import bisect
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from etl.ingest.flatten import Flattened, FlattenTask, flatten
from etl.ingest.loss_unit import loss_unit
from etl.ingest.scalars import scalar_table
from etl.ingest.source import (
    SCALAR_ROWS,
    SNAPSHOT_ROWS,
    TENSOR_ROWS,
    About,
    Key,
    Loss,
    Recording,
    Scalars,
    Snapshots,
    Spread,
    State,
)
from etl.run.attempts import ATTEMPTS, Attempt, read_log
from etl.run.bounded_lines import MOST_LINE
from etl.run.file_names import MANIFEST
from etl.run.folder import Run
from etl.run.journal import METRICS, metrics_reader, parsed_number, whole
from etl.run.manifest import Manifest
from etl.run.plain_lines import blocks
from etl.run.snapshot_errors import SnapshotError
from etl.store.verdicts import DAMAGED, MATCHES, READ

SoundFiles = Mapping[Key, tuple[Path, int]]
"""(attempt, step) -> path and payload CRC of each snapshot file whose header is sound."""
Row = Mapping[str, Any]


class RunFolders:
    """Folders that hold a manifest.json. A damaged one is a recording too: reading it says what is wrong with it."""

    def find(self, path: Path) -> Sequence[Recording]:
        """`path` itself, or the folders directly inside it."""
        if not path.is_dir():
            return []
        if os.path.lexists(path / MANIFEST):
            return [RunFolder(path)]
        return [RunFolder(child) for child in path.iterdir() if child.is_dir() and os.path.lexists(child / MANIFEST)]


SOURCE = RunFolders()


class RunFolder(Recording):
    """One run's folder. Its state has the manifest's hash, what of it never changes, and how far metrics.jsonl was
    read."""

    source = "snapshots"

    @cached_property
    def _run(self) -> Run:
        return Run(self.path)

    @property
    def run_id(self) -> str:
        return self._run.manifest.run.id

    def resumes(self, state: State) -> bool:
        # Until its first snapshot a recorder may still learn when snapshots are taken, and write that down.
        return state.get("manifest") == f"{self._run.manifest.hash:016x}" or state.get("identity") == self._identity

    def _marks(self) -> dict[str, Any]:
        """What a state is known by later."""
        return {"manifest": f"{self._run.manifest.hash:016x}", "identity": self._identity}

    @cached_property
    def _identity(self) -> str:
        """Of the manifest, less what a recorder may put right before its first snapshot."""
        raw = self._run.manifest.raw
        tensors = [{key: tensor[key] for key in tensor if key != "taken"} for tensor in raw["snapshot"]["tensors"]]
        training = {key: value for key, value in raw.get("training", {}).items() if key != "updates_ahead"}
        lasting = json.dumps([{**raw, "training": training, "snapshot": tensors}], sort_keys=True)
        return hashlib.sha256(lasting.encode()).hexdigest()[:16]

    def scalars(self, since: State) -> Scalars:
        path = self.path / METRICS
        size = path.stat().st_size if path.is_file() and not path.is_symlink() else 0
        start, bad = since.get("metrics_end", 0), since.get("bad_lines", 0)
        shrunk = size < start
        if shrunk:
            start, bad = 0, 0
        reader = metrics_reader(path, start)
        rows, lines = scalar_table(blocks(reader)), reader.lines
        state = self._marks() | {"metrics_end": lines.end, "bad_lines": bad + lines.dropped}
        lost = [Loss(METRICS, each.reason, byte=each.byte) for each in lines.bad]
        if lines.dropped > len(lines.bad):
            lost.append(Loss(METRICS, f"{lines.dropped - len(lines.bad):,} more bad lines"))
        if lines.torn > MOST_LINE:
            lost.append(Loss(METRICS, f"{lines.torn:,} bytes without an end of line", byte=lines.end))
        # A torn last line is not there, as the format has it; `strobe verify` tells of it.
        return Scalars(rows, state, lost, whole=shrunk)

    def snapshots(self, stored: pa.Table, spread: Spread[FlattenTask, Flattened]) -> Snapshots:
        rows = {(row["attempt"], row["step"]): row for row in stored.to_pylist()}
        files, lost = self._files(rows)
        new = {key for key, (_, crc) in files.items() if key not in rows or is_changed(rows[key], crc)}
        todo, replaced = plan(files, rows, new)
        work = partial(flatten, self.path, self._run.manifest.hash)
        read = list(spread(work, todo))
        sound = [item for item in read if item.error is None]
        lost += [Loss(item.path.name, item.error) for item in read if item.error is not None]
        return Snapshots(
            listing=_listing(rows, files, read),
            tensors=pa.concat_tables([TENSOR_ROWS.empty_table(), *(item.tensors for item in sound)]),
            scalars=_scalars(sound),
            replaced=frozenset(replaced),
            added=len([item for item in sound if (item.attempt, item.step) in new]),
            lost=[*_lost_of_attempts(self.path), *lost],
        )

    def _files(self, rows: Mapping[Key, Row]) -> tuple[SoundFiles, list[Loss]]:
        sound: dict[Key, tuple[Path, int]] = {}
        lost = []
        for step, attempt, path in self._run.files():
            try:
                snapshot = self._run.open(path)
                row = rows.get((attempt, step), {})
                if row.get("payload") == DAMAGED and row["crc32"] == snapshot.payload_crc:
                    snapshot.verify()
                sound[attempt, step] = (path, snapshot.payload_crc)
            except SnapshotError as error:
                lost.append(Loss(path.name, str(error)))
        return sound, lost

    def attempts(self) -> Sequence[Attempt]:
        return self._run.attempts

    @property
    def loss_unit(self) -> str | None:
        return loss_unit(self._run.manifest.raw)

    def metric_names(self) -> Mapping[str, str]:
        given = self._run.manifest.raw.get("metric_names", {})
        return {own: name for own, name in given.items() if isinstance(name, str)} if isinstance(given, dict) else {}

    def about(self) -> About:
        manifest = self._run.manifest
        model, training, kind = manifest.raw["model"], manifest.training, manifest.task.get("kind")
        flops = parsed_number(training.get("peak_flops"))
        return About(
            manifest.run.name,
            task=str(kind) if kind is not None else None,
            created_at=unix_time(manifest.run.created_at),
            n_params=parameter_count(manifest) or whole(model.get("n_params")),
            tokens_per_step=whole(training.get("tokens_per_step")),
            device=str(training["device"]) if "device" in training else None,
            peak_flops=flops if flops is not None and math.isfinite(flops) else None,
            config={key: manifest.raw.get(key, {}) for key in ("model", "task", "training")}
            | {"writer": manifest.run.writer}
            | ({"frozen": frozen} if (frozen := frozen_on_purpose(manifest)) else {}),
            snapshots=self.path,
            **{key: whole(model.get(key)) for key in ("n_layer", "n_head", "n_embd", "vocab_size")},
        )


def _lost_of_attempts(folder: Path) -> list[Loss]:
    """The lines of the log of attempts that tell of none: it is read whole each time."""
    lines = read_log(folder)[1]
    lost = [Loss(ATTEMPTS, each.reason, line=each.line) for each in lines.bad]
    more = lines.dropped - len(lines.bad)
    return [*lost, Loss(ATTEMPTS, f"{more:,} more bad lines")] if more else lost


def is_changed(row: Row, crc: int) -> bool:
    """Whether a stored row of `snapshots` is of other bytes than those of this CRC, or of damaged ones."""
    return bool(row["crc32"] != crc or row["payload"] == DAMAGED)


def plan(files: SoundFiles, stored: Mapping[Key, Row], new: set[Key]) -> tuple[list[FlattenTask], set[Key]]:
    """What to flatten: the new snapshots, and those whose predecessor is new or could not be read when they were; and
    which stored rows that replaces."""
    steps: dict[int, list[int]] = {}
    for attempt, step in sorted(set(files) | set(stored)):
        steps.setdefault(attempt, []).append(step)
    todo, replaced = [], set()
    for key in sorted(files):
        attempt, step = key
        place = bisect.bisect_left(steps[attempt], step)
        before = (attempt, steps[attempt][place - 1]) if place else None
        path = files[before][0] if before is not None and before in files else None
        lacks_changes = key in stored and stored[key]["note"] is not None and path is not None
        if key in new or before in new or lacks_changes:
            todo.append(FlattenTask(files[key][0], path, before[1] if before else None))
            if key in stored and stored[key]["payload"] != DAMAGED:
                replaced.add(key)
    return todo, replaced


def _listing(stored: Mapping[Key, Row], files: SoundFiles, flattened: Sequence[Flattened]) -> pa.Table:
    """The stored rows and the new ones; `file` is NULL for a snapshot that is no longer on disk, or damaged."""
    rows = dict(stored)
    for item in flattened:
        if item.error is None or item.damaged:
            rows[item.attempt, item.step] = {
                "attempt": item.attempt,
                "step": item.step,
                "file": item.path.name,
                "bytes": item.bytes,
                "crc32": item.crc32,
                "time": item.time,
                "modified": item.modified,
                "payload": DAMAGED if item.damaged else MATCHES if item.checked else READ,
                # Tables travel, and with them no path of this machine.
                "note": str(item.error).replace(str(item.path), item.path.name) if item.damaged else item.note,
            }
    names = {key: path.name for key, (path, _) in files.items() if key in rows and rows[key]["payload"] != DAMAGED}
    ordered = [{**row, "file": names.get(key)} for key, row in sorted(rows.items())]
    return pa.Table.from_pylist(ordered, SNAPSHOT_ROWS)


def _scalars(flattened: Sequence[Flattened]) -> pa.Table:
    rows = [
        {"attempt": item.attempt, "name": name, "step": item.step, "value": value, "time": item.time}
        for item in flattened
        for name, value in (item.scalars or {}).items()
    ]
    return pa.Table.from_pylist(rows, SCALAR_ROWS)


def parameter_count(manifest: Manifest) -> int | None:
    """Values in the section params, or None where a run does not record it."""
    sizes = [math.prod(t.shape) for t in manifest.snapshot.tensors if t.section == "params"]
    return sum(sizes) if sizes else None


def frozen_on_purpose(manifest: Manifest) -> list[dict[str, str | int | None]]:
    """The params tensors that are not to be trained, as table `tensors` names them: tensor, layer."""
    frozen = [tensor for tensor in manifest.snapshot.tensors if tensor.trainable is False]
    return [{"tensor": tensor.group or _own_name(tensor.name), "layer": tensor.layer} for tensor in frozen]


def _own_name(name: str) -> str:
    """The name of a params tensor without its section, also where statistics alone are recorded of it."""
    own = name.partition("/")[2]
    return own.replace("%2F", "/").removeprefix("params/") if name.startswith("stats/") else own


def unix_time(value: float | str) -> float | None:
    """Unix seconds of a manifest's created_at; a time without a zone is UTC."""
    if not isinstance(value, str):
        return float(value)
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
