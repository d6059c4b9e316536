"""One snapshot as rows: the statistics of its tensors, and its scalars.

The functions that do the work take paths and return Arrow tables, so that any executor can spread them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from etl.ingest.source import TENSOR_ROWS
from etl.run.folder import Run
from etl.run.snapshot import Snapshot, SnapshotError

SECTIONS = ("params", "grads", "attention", "residual")
_MOMENTS = {"m_l2.": "adam_m", "v_l2.": "adam_v"}
_EPSILON = 1e-12

Row = dict[str, Any]


class FlattenTask(NamedTuple):
    """One snapshot to flatten, and the one before it in the same attempt (None for the first)."""

    path: Path
    before: Path | None


@dataclass(frozen=True)
class Flattened:
    """What one snapshot gives; `error` when it could not be read, and then nothing else."""

    path: Path
    step: int = 0
    attempt: int = 0
    time: float = 0.0
    bytes: int = 0
    crc32: int = 0
    tensors: pa.Table | None = None
    scalars: Mapping[str, float] | None = None
    error: str | None = None


def real(value: float) -> float | None:
    """A measured value, or None where there is none: NaN, or a result that is itself beyond float64."""
    return value if math.isfinite(value) else None


def _layers(spec: Mapping[str, Any]) -> bool:
    return bool(spec["dims"][0] == "layer")


def _statistics_rows(snapshot: Snapshot, name: str) -> list[Row]:
    from etl.ingest.statistics import statistics, statistics_rows

    spec = snapshot.spec(name)
    stacked = _layers(spec)
    array = snapshot[name] if "scale" not in spec else snapshot.values(name)
    records = statistics_rows(array) if stacked else [statistics(array)]
    section, _, tensor = name.partition("/")
    rows = []
    for index, record in enumerate(records):
        values = {key: real(value) for key, value in record._asdict().items()}
        layer = index if stacked else spec.get("layer")
        rows.append({"section": section, "tensor": spec.get("group", tensor), "layer": layer, **values})
    return rows


def _add_deltas(rows: Sequence[Row], name: str, now: Snapshot, before: Snapshot) -> None:
    """delta_l2 against the snapshot before, and its ratio to the norm there, per step of the gap."""
    from etl.ingest.statistics import delta_l2, delta_l2_rows, statistics, statistics_rows

    scaled = "scale" in now.spec(name)
    a, b = (s.values(name) if scaled else s[name] for s in (now, before))
    stacked = _layers(now.spec(name))
    deltas = delta_l2_rows(a, b) if stacked else [delta_l2(a, b)]
    norms = [record.l2 for record in (statistics_rows(b) if stacked else [statistics(b)])]
    for row, delta, norm in zip(rows, deltas, norms, strict=True):
        row["delta_l2"] = real(float(delta))
        # Over a norm that is beyond float64 the ratio would come out as 0.
        ratio = float(delta) / (now.step - before.step) / (norm + _EPSILON)
        row["update_ratio"] = real(ratio) if math.isfinite(norm) else None


def _alike(now: Snapshot, before: Snapshot, name: str) -> bool:
    """Whether a tensor was there before, as it is now."""
    if name not in before:
        return False
    return all(now.spec(name)[key] == before.spec(name)[key] for key in ("shape", "dims"))


def _moment_rows(snapshot: Snapshot, sizes: Mapping[str, list[int]]) -> list[Row]:
    """Adam's norms: l2 as recorded, infinities too, and n from the shape of the parameter."""
    rows = []
    for name in snapshot.names:
        section, _, rest = name.partition("/")
        adam = _MOMENTS.get(rest[:5])
        if section != "optimizer" or adam is None:
            continue
        spec, tensor = snapshot.spec(name), rest[5:]
        stacked = _layers(spec)
        shape = sizes.get(tensor)
        count = None if shape is None else math.prod(shape[1:] if stacked else shape)
        for layer, value in enumerate(np.asarray(snapshot[name], np.float64).reshape(-1)):
            at = layer if stacked else spec.get("layer")
            norm = None if math.isnan(value) else float(value)
            rows.append({"section": adam, "tensor": tensor, "layer": at, "n": count, "l2": norm})
    return rows


def _tensor_table(snapshot: Snapshot, before: Snapshot | None) -> pa.Table:
    rows: list[Row] = []
    sizes: dict[str, list[int]] = {}
    for name in snapshot.names:
        section, _, tensor = name.partition("/")
        if section not in SECTIONS:
            continue
        own = _statistics_rows(snapshot, name)
        if section == "params":
            sizes[tensor] = snapshot.spec(name)["shape"]
            if before is not None and _alike(snapshot, before, name):
                _add_deltas(own, name, snapshot, before)
        rows += own
    rows += _moment_rows(snapshot, sizes)
    for row in rows:
        row |= {"attempt": snapshot.attempt, "step": snapshot.step}
    return pa.Table.from_pylist(rows, TENSOR_ROWS)


def _scalar_values(snapshot: Snapshot) -> dict[str, float]:
    values = {}
    for name in snapshot.names:
        section, _, scalar = name.partition("/")
        if section == "scalars" and snapshot.spec(name)["shape"] == [1]:
            value = float(snapshot[name][0])
            if not math.isnan(value):  # NaN stands for "unknown" here
                values[scalar] = value
    return values


def flatten(folder: Path, manifest_hash: int, work: Sequence[FlattenTask]) -> list[Flattened]:
    """Summarise snapshots of one run; a damaged one is returned with its error.

    Headers, sizes and the manifest's hash are checked here, the payload's CRC is not: that is `strobe verify`.
    """
    run = Run(folder)
    if run.manifest.hash != manifest_hash:
        raise SnapshotError(f"{folder}: manifest.json changed while it was read")
    return [_flatten_one(run, item) for item in work]


def _flatten_one(run: Run, work: FlattenTask) -> Flattened:
    try:
        snapshot = run.as_recorded(work.path)
        before = run.as_recorded(work.before) if work.before is not None else None
        table, scalars = _tensor_table(snapshot, before), _scalar_values(snapshot)
    except (SnapshotError, OSError, TypeError) as error:
        return Flattened(work.path, error=str(error))
    size = work.path.stat().st_size
    crc, time = snapshot.payload_crc, snapshot.time
    return Flattened(work.path, snapshot.step, snapshot.attempt, time, size, crc, table, scalars)
