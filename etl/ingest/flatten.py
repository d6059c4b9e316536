"""One snapshot as rows: the statistics of its tensors, and its scalars.

The functions that do the work take paths and return Arrow tables, so that any executor can spread them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etl.checkpoints.run import open_run
from etl.ingest.checked import PART, CheckedReading, Reading
from etl.ingest.source import TENSOR_ROWS
from etl.run.folder import Run
from etl.run.snapshot import Snapshot
from etl.run.snapshot_errors import PayloadError, SnapshotError

if TYPE_CHECKING:
    from etl.ingest.statistics import Statistics

SECTIONS = ("params", "grads", "attention", "residual")
_KEPT = {"m_l2": ("adam_m", "l2"), "v_l2": ("adam_v", "l2"), "lr": ("adam_lr", "mean")}
"""What an optimizer keeps of a tensor -> the section and the column of its rows."""
_EPSILON = 1e-12

Array = npt.NDArray[Any]
Row = dict[str, Any]


class FlattenTask(NamedTuple):
    """One snapshot to flatten, and the one before it in the same attempt: its step (None for the first), and its file
    where it can be opened."""

    path: Path
    before: Path | None
    step_before: int | None = None


@dataclass(frozen=True)
class Flattened:
    """What one snapshot gives; `error` when it could not be read, and then no rows."""

    path: Path
    step: int = 0
    attempt: int = 0
    time: float = 0.0
    bytes: int = 0
    crc32: int = 0
    tensors: pa.Table | None = None
    scalars: Mapping[str, float] | None = None
    error: str | None = None
    damaged: bool = False
    """Whether the header is sound and the payload is not what it says."""
    checked: bool = True
    """Whether there is a CRC that the payload was compared with."""
    modified: int | None = None
    """When the file was last written to, in nanoseconds since 1970, as it was read."""
    note: str | None = None
    """Why there are no changes since the snapshot before, which could not be read."""


def real(value: float) -> float | None:
    """A measured value, or None where there is none: NaN, or a result that is itself beyond float64."""
    return value if math.isfinite(value) else None


def _layers(spec: Mapping[str, Any]) -> bool:
    return bool(spec["dims"][0] == "layer")


Norms = dict[str, list[float]]
"""l2 of each row of each params tensor, by its name."""


def _measured(reading: Reading, name: str, before: Reading | None) -> tuple[list[Statistics], list[float] | None]:
    """The statistics of a tensor's rows, and the norms of their changes since the snapshot before."""
    from etl.ingest.differences import delta_l2_rows, statistics_and_deltas
    from etl.ingest.statistics import rows_statistics, statistics_rows

    spec, shape = reading.snapshot.spec(name), reading.parts(name, stacked=_layers(reading.snapshot.spec(name))).shape
    if any("scale" in each or each["dtype"] != spec["dtype"] for each in (spec, _spec_in(before, name) or spec)):
        now = _whole(reading, name).reshape(shape)
        deltas = None if before is None else delta_l2_rows(now, _whole(before, name).reshape(shape)).tolist()
        return statistics_rows(now), deltas
    rows, tile = reading.parts(name, stacked=_layers(spec)), PART // 4
    if before is None:
        return rows_statistics(rows, tile=tile), None
    records, changes = statistics_and_deltas(rows, before.parts(name, stacked=_layers(spec)), tile=tile)
    return records, changes.tolist()


def _spec_in(reading: Reading | None, name: str) -> Mapping[str, Any] | None:
    return None if reading is None else reading.snapshot.spec(name)


def _whole(reading: Reading, name: str) -> Array:
    """A tensor in memory, times its scale where it has one."""
    scale = reading.snapshot.spec(name).get("scale")
    values = reading.whole(name)
    return values if scale is None else values.astype(np.float32) * reading.snapshot.read(scale)[..., None]


def _rows(spec: Mapping[str, Any], records: Sequence[Statistics]) -> list[Row]:
    section, _, tensor = str(spec["name"]).partition("/")
    rows = []
    for index, record in enumerate(records):
        values = {key: real(value) for key, value in record._asdict().items()}
        layer = index if _layers(spec) else spec.get("layer")
        rows.append({"section": section, "tensor": spec.get("group", tensor), "layer": layer, **values})
    return rows


def _add_deltas(rows: Sequence[Row], deltas: Sequence[float], norms: Sequence[float], gap: int) -> None:
    """delta_l2 against the snapshot before, and its ratio to the norm there, per step of the gap."""
    for row, delta, norm in zip(rows, deltas, norms, strict=True):
        row["delta_l2"] = real(delta)
        # Over a norm that is beyond float64 the ratio would come out as 0.
        row["update_ratio"] = real(delta / gap / (norm + _EPSILON)) if math.isfinite(norm) else None


def _kept_rows(spec: Mapping[str, Any], values: Array, sizes: Mapping[str, list[int]]) -> list[Row]:
    """Adam's norms and rates: as recorded, infinities too, and n from the shape of the parameter."""
    short, _, tensor = str(spec["name"]).partition("/")[2].partition(".")
    if short not in _KEPT or not tensor:
        return []
    (section, column), stacked, shape, rows = _KEPT[short], _layers(spec), sizes.get(tensor), []
    shared = str(spec.get("group", f"{short}.{tensor}")).partition(".")[2]
    count = None if shape is None else math.prod(shape[1:] if stacked else shape)
    for layer, value in enumerate(np.asarray(values, np.float64).reshape(-1)):
        at = layer if stacked else spec.get("layer")
        number = None if math.isnan(value) else float(value)
        rows.append({"section": section, "tensor": shared, "layer": at, "n": count, column: number})
    return rows


_STATISTICS = (
    "n", "l2", "mean", "std", "min", "max", "abs_max", "zeros", "nonfinite", "update_l2", "update_ratio",
)  # fmt: skip


def _statistics_rows(spec: Mapping[str, Any], values: Array, gap: int | None) -> list[Row]:
    """Rows of a tensor that was recorded as its statistics, of the section that its name begins with; none of what
    is no such vector. What one update changed is the change since the snapshot before where the `gap` is one step."""
    section, slash, tensor = str(spec["name"]).partition("/")[2].partition("%2F")
    if not slash or not tensor or values.shape[-1] != len(_STATISTICS):
        return []
    rows = []
    for index, vector in enumerate(np.asarray(values, np.float64).reshape(-1, len(_STATISTICS)).tolist()):
        said = {name: real(value) for name, value in zip(_STATISTICS, vector, strict=True)}
        size, odd = said.pop("n"), said.pop("nonfinite")
        if size is None or odd is None:
            continue
        zeros, update = said.pop("zeros"), said.pop("update_l2")
        rows.append({
            **said, "n": int(size), "nonfinite": int(odd), "section": section, "tensor": spec.get("group", tensor),
            "layer": index if _layers(spec) else spec.get("layer"),
            "zero_fraction": zeros / (size - odd) if zeros is not None and size > odd else None,
            "delta_l2": update if gap == 1 else None,
        })  # fmt: skip
    return rows


class _Before(NamedTuple):
    """The snapshot before, whose payload was checked in this very work, and its norms."""

    snapshot: Snapshot
    norms: Norms


class _Pass:
    """One pass over a snapshot: the rows of `tensors`, its scalars, and its norms for the one after it."""

    def __init__(self, snapshot: Snapshot, before: _Before | None) -> None:
        self.snapshot, self.norms = snapshot, Norms()
        self.scalars: dict[str, float] = {}
        self._rows: list[Row] = []
        self._before = before

    def read(self) -> None:
        """Raises SnapshotError where the file is damaged: then nothing of it counts."""
        with self.snapshot.reading() as fill, ExitStack() as stack:
            reading, earlier = CheckedReading(self.snapshot, fill), None
            if self._before is not None:
                earlier = Reading(self._before.snapshot, stack.enter_context(self._before.snapshot.reading()))
            for name in self.snapshot.names:
                self._tensor(reading, earlier, self.snapshot.spec(name))
            reading.finish()

    def _tensor(self, reading: CheckedReading, earlier: Reading | None, spec: Mapping[str, Any]) -> None:
        section, _, rest = spec["name"].partition("/")
        if section in SECTIONS:
            compared = section == "params" and self._was_alike(spec)
            self._measure(reading, earlier if compared else None, spec)
        elif section == "stats":
            gap = None if self._before is None else self.snapshot.step - self._before.snapshot.step
            self._rows += _statistics_rows(spec, reading.whole(spec["name"]), gap)
        elif section == "optimizer":
            self._rows += _kept_rows(spec, reading.whole(spec["name"]), self._sizes)
        elif section == "scalars" and spec["shape"] == [1]:
            value = float(reading.whole(spec["name"])[0])
            if not math.isnan(value):  # NaN stands for "unknown" here
                self.scalars[rest] = value

    def _measure(self, reading: CheckedReading, earlier: Reading | None, spec: Mapping[str, Any]) -> None:
        name = spec["name"]
        records, deltas = _measured(reading, name, earlier)
        rows = _rows(spec, records)
        if spec["section"] == "params":
            self.norms[name] = [record.l2 for record in records]
        if deltas is not None and self._before is not None:
            gap = self.snapshot.step - self._before.snapshot.step
            _add_deltas(rows, deltas, self._before.norms[name], gap)
        self._rows += rows

    def _was_alike(self, spec: Mapping[str, Any]) -> bool:
        """Whether a tensor was there before, as it is now."""
        before = self._before.snapshot if self._before is not None else None
        if before is None or spec["name"] not in before:
            return False
        return all(before.spec(spec["name"]).get(key) == spec.get(key) for key in ("shape", "dims"))

    @cached_property
    def _sizes(self) -> dict[str, list[int]]:
        specs = map(self.snapshot.spec, self.snapshot.names)
        return {spec["name"].partition("/")[2]: spec["shape"] for spec in specs if spec["section"] == "params"}

    def _count_kept(self) -> None:
        """Put n into rows of what an optimizer keeps of parameters of which statistics alone were recorded."""
        counts = {(row["tensor"], row["layer"]): row["n"] for row in self._rows if row["section"] == "params"}
        sections = {section for section, _ in _KEPT.values()}
        for row in self._rows:
            if row["section"] in sections and row["n"] is None:
                row["n"] = counts.get((row["tensor"], row["layer"]))

    @property
    def table(self) -> pa.Table:
        self._count_kept()
        for row in self._rows:
            row |= {"attempt": self.snapshot.attempt, "step": self.snapshot.step}
        return pa.Table.from_pylist(self._rows, TENSOR_ROWS)


def flatten(folder: Path, manifest_hash: int, work: Sequence[FlattenTask]) -> list[Flattened]:
    """Summarise snapshots of one run; a damaged one is returned with its error.

    Every byte is read once and checked against the payload's CRC, also of a snapshot before one of `work`.
    """
    run = open_run(folder)
    if run.manifest.hash != manifest_hash:
        raise SnapshotError(f"{folder}: manifest.json changed while it was read")
    results: list[Flattened] = []
    last: dict[Path, _Before | None] = {}
    for item in work:
        if item.before is not None and item.before not in last:
            last[item.before] = _flatten_one(run, item.before, None)[1]
        before = last[item.before] if item.before is not None else None
        result, own = _flatten_one(run, item.path, before)
        if result.error is not None and before is not None and not result.damaged:
            before = None  # it may be this one that went while it was read
            result, own = _flatten_one(run, item.path, before)
        if before is None and item.step_before is not None and result.error is None:
            why = f"no changes since step {item.step_before:,}: that snapshot could not be read"
            result = replace(result, note=why)
        results.append(result)
        last = {item.path: own}
    return results


def _flatten_one(run: Run, path: Path, before: _Before | None) -> tuple[Flattened, _Before | None]:
    """A snapshot's rows, and what the one after it needs; no such thing of a damaged one."""
    found = Flattened(path)
    try:
        snapshot = run.as_recorded(path)
        about = (snapshot.step, snapshot.attempt, snapshot.time, snapshot.size, snapshot.payload_crc)
        found = Flattened(path, *about, checked=snapshot.has_crc, modified=snapshot.modified)
        one = _Pass(snapshot, before)
        one.read()
        return replace(found, tensors=one.table, scalars=one.scalars), _Before(snapshot, one.norms)
    except (SnapshotError, OSError, TypeError) as error:
        return replace(found, error=str(error), damaged=isinstance(error, PayloadError)), None
