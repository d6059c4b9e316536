"""Which manifest a snapshot is written under: that of the run, or of a part where its tensors are others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from etl.run.layout import place
from strobe.record.errors import RecorderError
from strobe.record.host import Array
from strobe.record.manifest import validate
from strobe.record.tensors import TensorSpec, reason

MOST_PARTS: Final = 64
"""Manifests of one attempt. Beyond them a tensor that was absent before stays absent, so that the others are kept."""

Manifest = Mapping[str, Any]
_Layout = tuple[tuple[tuple[int, ...], Any] | None, ...]


class Layouts:
    """The layouts that the snapshots of one attempt had, and the manifest of each."""

    def __init__(self, specs: Sequence[TensorSpec]) -> None:
        self.specs = {spec.full_name: spec for spec in specs}
        self._first: Manifest = {}
        self._known: dict[_Layout, Manifest] = {}
        self._unsteady: dict[str, str] = {}

    def add(self, specs: Sequence[TensorSpec]) -> None:
        """Take in tensors that were not there when the run began: they stand behind all others."""
        # What a layout is told by is every spec in turn.
        self._known = {}
        self.specs |= {spec.full_name: spec for spec in specs if spec.full_name not in self.specs}

    def manifest(self, first: Manifest, arrays: dict[str, Array], absent: Mapping[str, str]) -> Manifest:
        """The manifest of a snapshot of these arrays, where `absent` are the tensors that have none, and why; `first`
        is manifest.json. Arrays that no layout can hold any more are taken out. Raises RecorderError for what no
        reader would open."""
        if first is not self._first:
            # The first snapshot settles when snapshots are taken.
            self._first, self._known = first, {}
        layout = self._layout(arrays)
        if layout not in self._known and len(self._known) >= MOST_PARTS:
            absent = self._unsteady | dict(absent) | self._changed(arrays)
            for name in absent:
                arrays.pop(name, None)
            layout = self._layout(arrays)
        if layout not in self._known:
            self._known[layout] = self._made(arrays, absent)
        self._unsteady |= absent
        return self._known[layout]

    def _layout(self, arrays: Mapping[str, Array]) -> _Layout:
        found = map(arrays.get, self.specs)
        return tuple(None if array is None else (array.shape, array.dtype) for array in found)

    def _changed(self, arrays: Mapping[str, Array]) -> dict[str, str]:
        """The tensors whose shape or dtype is not that of manifest.json."""
        due = {entry["name"]: (entry["shape"], entry["dtype"]) for entry in self._first["snapshot"]["tensors"]}
        why = f"changed its shape or dtype after {MOST_PARTS} layouts"
        return {name: why for name, array in arrays.items() if due.get(name) != (list(array.shape), array.dtype.name)}

    def _made(self, arrays: Mapping[str, Array], absent: Mapping[str, str]) -> Manifest:
        specs = self.specs
        entries = [
            _entry(entry, specs[entry["name"]], arrays.get(entry["name"]), absent)
            if entry["name"] in specs
            else entry
            for entry in self._first["snapshot"]["tensors"]
        ]
        there = {entry["name"] for entry in entries}
        for name, spec in specs.items():
            if name not in there:
                entries.append(_entry(spec.entry(), spec, arrays.get(name), absent))
        placed, size = place(entries)
        made = {**self._first, "snapshot": {**self._first["snapshot"], "bytes": size, "tensors": placed}}
        if made == self._first:
            return self._first
        validate(made, "the manifest of the next part")
        return made


def _entry(
    entry: Mapping[str, Any], spec: TensorSpec, array: Array | None, absent: Mapping[str, str]
) -> dict[str, Any]:
    """An entry of manifest.json for a tensor as it is now."""
    if array is None:
        return {**entry, "missing": absent.get(entry["name"], reason(RecorderError("was not recorded")))}
    kept = {key: value for key, value in entry.items() if key != "missing"}
    shape = {"shape": list(array.shape), "dtype": array.dtype.name}
    if len(kept["dims"]) != array.ndim:
        kept["dims"] = spec.axes(array.shape)
    return kept | shape
