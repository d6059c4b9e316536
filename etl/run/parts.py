"""The parts of a run: where tensors appear, vanish or change shape, a part with a manifest of its own begins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etl.run.file_names import list_parts
from etl.run.manifest import Manifest, ManifestError, SnapshotInfo, read

Entry = Mapping[str, Any]


def read_parts(folder: str | os.PathLike[str], first: Manifest) -> list[Manifest]:
    """`first`, the run's manifest.json, and the manifests of its later parts; one that cannot be read, or is of
    another run, costs the snapshots that name it."""
    parts = [first]
    for _, path in list_parts(folder):
        try:
            part = read(folder, path.name)
        except ManifestError:
            continue
        if part.run.id == first.run.id:
            parts.append(part)
    return parts


def merged(parts: Sequence[Manifest]) -> Manifest:
    """The run as a whole: the first manifest, with each tensor as the last part that has it says, in the order in
    which they appeared. A tensor that no part has is left out."""
    if len(parts) == 1 and not any("missing" in entry for entry in parts[0].raw["snapshot"]["tensors"]):
        return parts[0]
    entries: dict[str, Entry] = {}
    models = {}
    for part in parts:
        for entry, model in zip(part.raw["snapshot"]["tensors"], part.snapshot.tensors, strict=True):
            if "missing" not in entry:
                entries[entry["name"]], models[entry["name"]] = entry, model
    info = SnapshotInfo.model_construct(bytes=parts[0].snapshot.bytes, tensors=list(models.values()))
    whole = parts[0].model_copy(update={"snapshot": info})
    tensors = {**parts[0].raw["snapshot"], "tensors": list(entries.values())}
    whole._raw, whole._hash = {**parts[0].raw, "snapshot": tensors}, parts[0].hash
    return whole


def unlike(part: Manifest, whole: Manifest) -> dict[str, str]:
    """The tensors that have another shape or other axes in a part than in the run as a whole, and which."""
    due = {entry["name"]: entry for entry in whole.raw["snapshot"]["tensors"]}
    return unlike_entries(part.raw["snapshot"]["tensors"], due)


def unlike_entries(entries: Iterable[Entry], due: Mapping[str, Entry]) -> dict[str, str]:
    """Those of the entries that are otherwise than `due` by their name, and how."""
    return {
        entry["name"]: f"is {entry['shape']} here, and {due[entry['name']]['shape']} in the last part of the run"
        for entry in entries
        if "missing" not in entry and _axes(entry) != _axes(due[entry["name"]])
    }


def _axes(entry: Entry) -> tuple[Any, Any]:
    return entry["shape"], entry["dims"]
