"""The snapshots of a share: some steps, some sections, and tensors in fewer bits with their measured error."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from etl.run.folder import Run
from etl.run.layout import place
from etl.run.snapshot import Array, Snapshot
from etl.run.writer import SnapshotWriter
from strobe.share.quantise import fits_half, fits_rows, from_rows, max_error, to_half, to_rows
from strobe.share.scrub import Scrubber

SCALES: Final = "scale"
"""The section of the scales that int8 rows are multiplied by."""
_AS_THEY_ARE: Final = frozenset({"scalars", "optimizer", "stats", "probe", SCALES})
"""Sections of single values and of counts: fewer bits would save nothing."""
_WIDE: Final = ("float32", "float64")


@dataclass(frozen=True)
class Mode:
    """How tensors are kept: floats as `dtype` where their values fit, and not the sections `dropped`."""

    dtype: str
    dropped: frozenset[str]


@dataclass
class Kept:
    """What was written of a run's snapshots: step -> its file, and what each tensor was stored as."""

    steps: list[int]
    bytes: int = 0
    tensors: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def stored(self) -> dict[str, int]:
        """How many tensors are stored as what, of those that were given in more bits."""
        kinds = [each["dtype"] for each in self.tensors if "stored" in each]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def bytes_per_snapshot(manifest: Mapping[str, Any], mode: Mode) -> int:
    """Of one file, where every value fits."""
    return place([each for entry in _chosen(manifest, mode) for each in _entries(entry, _wished(entry, mode))])[1]


def write(
    run: Run, opened: Callable[[int], Snapshot], target: Path, steps: Sequence[int], mode: Mode, scrubber: Scrubber,
    on_step: Callable[[], None] = lambda: None,
) -> Kept:  # fmt: skip
    """Write the snapshots of `steps` to `target`; every value that is read back is within the `max_error` that its
    tensor's entry in the manifest states. `on_step` is called twice a step. Raises SnapshotError."""
    raw = run.manifest.raw
    kept = Kept(list(steps))
    chosen = [entry for entry in _chosen(raw, mode) if not _lacking(entry, opened, steps, kept)]
    found = {entry["name"]: _Fit(_wished(entry, mode)) for entry in chosen}
    for step in steps:
        snapshot = opened(step)
        for entry in chosen:
            found[entry["name"]].look(snapshot[entry["name"]])
        on_step()
    entries = [each for entry in chosen for each in _entries(entry, *found[entry["name"]].answer())]
    tensors, size = place(entries)
    about = scrubber.value({key: value for key, value in raw.items() if key != "snapshot"})
    target.mkdir(parents=True)
    writer = SnapshotWriter(target, about | {"snapshot": {"bytes": size, "tensors": tensors}}, fsync=False)
    for step in steps:
        snapshot = opened(step)
        writer.write(step, dict(_arrays(snapshot, chosen, found)), attempt=snapshot.attempt, time=snapshot.time)
        on_step()
    kept.tensors, kept.bytes = tensors, sum(path.stat().st_size for path in target.iterdir())
    return kept


class _Fit:
    """What a tensor is stored as over all steps, and how far off that is: for each of the ways, the worst so far."""

    def __init__(self, wished: str | None) -> None:
        ways = {"int8": ("int8", "float16"), "float16": ("float16",)}
        self.errors: dict[str, float] = dict.fromkeys(ways.get(wished or "", ()), 0.0)

    def look(self, values: Array) -> None:
        for kind in list(self.errors):
            if not (fits_rows(values) if kind == "int8" else fits_half(values)):
                del self.errors[kind]
                continue
            read = from_rows(*to_rows(values)) if kind == "int8" else to_half(values)
            self.errors[kind] = max(self.errors[kind], max_error(values, read))

    def answer(self) -> tuple[str | None, float]:
        """The first way that every step fits; None for as it is."""
        kind = next(iter(self.errors), None)
        return kind, 0.0 if kind is None else self.errors[kind]


def _chosen(manifest: Mapping[str, Any], mode: Mode) -> list[dict[str, Any]]:
    tensors = copy.deepcopy(manifest["snapshot"]["tensors"])
    names = {each["scale"] for each in tensors if "scale" in each and each["section"] not in mode.dropped}
    return [each for each in tensors if each["section"] not in mode.dropped or each["name"] in names]


def _wished(entry: Mapping[str, Any], mode: Mode) -> str | None:
    """The dtype to store a tensor as; None to leave it: of few bits already, or single values."""
    if "missing" in entry or entry["section"] in _AS_THEY_ARE or "scale" in entry:
        return None
    rows = mode.dtype == "int8" and len(entry["shape"]) > 1 and entry["shape"][-1] > 4
    if rows and entry["dtype"] in (*_WIDE, "float16", "bfloat16"):
        return "int8"
    return "float16" if entry["dtype"] in _WIDE else None


def _entries(entry: Mapping[str, Any], kind: str | None, error: float = 0.0) -> list[dict[str, Any]]:
    """A tensor's entry in the manifest as it is stored, with its scale behind it where it has one."""
    if kind is None:
        return [dict(entry)]
    before = entry.get("stored")
    if isinstance(before, dict) and "max_error" in before:
        # A share made of a share: both errors may add up.
        said = {**before, "max_error": before["max_error"] + error}
    else:
        said = {"from": entry["dtype"], "max_error": error}
    stored = {**entry, "dtype": kind, "stored": said}
    if kind != "int8":
        return [stored]
    scale = {
        "name": _scale_name(entry), "section": SCALES, "dims": entry["dims"][:-1], "shape": entry["shape"][:-1],
        "dtype": "float32", "offset": 0,
    }  # fmt: skip
    return [{**stored, "scale": scale["name"]}, scale]


def _scale_name(entry: Mapping[str, Any]) -> str:
    return f"{SCALES}/{str(entry['name']).replace('/', '.')}"


def _arrays(
    snapshot: Snapshot, chosen: Sequence[Mapping[str, Any]], found: Mapping[str, _Fit]
) -> Iterator[tuple[str, Array]]:
    for entry in chosen:
        if "missing" in entry:
            continue
        values, kind = snapshot[entry["name"]], found[entry["name"]].answer()[0]
        if kind == "int8":
            stored, scale = to_rows(values)
            yield entry["name"], stored
            yield _scale_name(entry), scale
        else:
            yield entry["name"], to_half(values) if kind == "float16" else np.asarray(values)


def _lacking(entry: Mapping[str, Any], opened: Callable[[int], Snapshot], steps: Sequence[int], kept: Kept) -> bool:
    """Whether a snapshot has no such tensor, or has it in another shape: then the share has it nowhere."""
    lacking = [step for step in steps if not opened(step).readable(entry["name"])]
    if lacking:
        kept.left_out[entry["name"]] = f"the snapshot at step {lacking[0]} has it not, or in another shape"
    return bool(lacking)
