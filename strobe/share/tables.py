"""The tables of a share: of the original weights, with fewer points of long curves, under names of their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.store.files import Files
from etl.store.pointer import PartFile, Pointer, read_rows, write_part
from strobe.share.scrub import Scrubber
from strobe.share.thinning import curve_rows

NEVER: Final = frozenset({"imports"})
"""Where a run was read from means nothing elsewhere."""
LAST: Final = frozenset({"runs", "snapshots"})
"""What speaks of the snapshots, and is written when these are."""
WHOLE: Final = frozenset({"val_loss", "train_accuracy", "val_accuracy"})
"""Metrics that the onset and the peak are told by: fewer points could move them."""


@dataclass(frozen=True)
class Level:
    """How much of the long tables is kept: points of a metric, and steps of the statistics; None for all."""

    points: int | None = None
    steps: int | None = None


LEVELS: Final = (Level(), Level(8_000), Level(4_000, 400), Level(2_000, 150), Level(500, 60))


@dataclass(frozen=True)
class Written:
    """A table as it was written: its part, and how many rows of how many."""

    part: PartFile
    rows: int
    of: int
    of_bytes: int


def write(
    files: Files, source: Files, pointer: Pointer, level: Level, keep_steps: Callable[[int], Sequence[int]],
    scrubber: Scrubber,
) -> dict[str, Written]:  # fmt: skip
    """Every table of a run but for LAST and NEVER, thinned to the level. `keep_steps(count)` gives the steps that the
    statistics are kept at."""
    written = {}
    for table, parts in sorted(pointer.tables.items()):
        if table in NEVER | LAST:
            continue
        given = read_rows(source, pointer, table)
        rows = given
        if table == "scalars" and level.points is not None:
            rows = thinned_curves(given, level.points)
        elif table == "tensors" and level.steps is not None:
            kept = pa.array(keep_steps(level.steps), pa.int64())
            rows = given.filter(pc.is_in(given["step"], value_set=kept))
        part = put(files, pointer.run, table, scrubber.rows(rows))
        written[table] = Written(part, rows.num_rows, given.num_rows, sum(each.bytes for each in parts))
    return written


def thinned_curves(rows: pa.Table, most: int) -> pa.Table:
    """The rows of `scalars` that stand for all, about `most` of each metric and attempt; those in WHOLE are whole."""
    rows = rows.sort_by([("name", "ascending"), ("attempt", "ascending"), ("step", "ascending")])
    if not rows.num_rows:
        return rows
    keys = pa.table({"name": rows["name"], "attempt": rows["attempt"], "row": np.arange(rows.num_rows)})
    values = rows["value"].to_numpy(zero_copy_only=False).astype(np.float64)
    kept = []
    for group in keys.group_by(["name", "attempt"]).aggregate([("row", "min"), ("row", "max")]).to_pylist():
        low, high = group["row_min"], group["row_max"] + 1
        inside = np.arange(high - low) if group["name"] in WHOLE else curve_rows(values[low:high], most)
        kept.append(low + inside)
    return rows.take(pa.array(np.sort(np.concatenate(kept))))


def put(files: Files, run: str, table: str, rows: pa.Table) -> PartFile:
    """Write a part under a name that its bytes give: the same rows lie under the same name in every share."""
    part = write_part(files, run, table, rows)
    assert files.local is not None
    digest = hashlib.sha256((files.local / part.file).read_bytes()).hexdigest()[:16]
    named = f"{part.file.rpartition('/')[0]}/part-{digest}.parquet"
    (files.local / part.file).rename(files.local / named)
    return replace(part, file=named)


def stamps_for(
    derived: Any, crcs: Mapping[str, tuple[int, int]], current: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """The stamps of derived rows, which stay those of the original weights: of each step that is kept for the file
    that stands for it now (step -> CRC as recorded, CRC here), of a table made of others as `current` says."""
    stamps: dict[str, dict[str, str]] = {}
    for table, given in (derived if isinstance(derived, dict) else {}).items():
        stamps[table] = {}
        for step, stamp in given.items() if isinstance(given, dict) else ():
            if step == "all":
                stamps[table][step] = current.get(table, stamp)
            elif step in crcs:
                before, now = crcs[step]
                stamps[table][step] = stamp.replace(f":{before:08x}", f":{now:08x}", 1)
    return stamps
