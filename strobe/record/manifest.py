"""The manifest that a Recorder begins a run with, and whether that of an existing run is the same."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from etl.run.file_names import MANIFEST
from etl.run.layout import place
from etl.run.names import run_id
from etl.run.snapshot import manifest_bytes
from strobe.record.errors import RecorderError
from strobe.record.order import Taken
from strobe.record.tensors import TensorSpec, scalar_entries
from strobe.version import __version__

_FORMAT = "strobe-snapshot"


@dataclass(frozen=True, slots=True)
class Description:
    """What the manifest says of a run. `scalars` are the names of the numbers beside the tensors; `taken`
    stands for when they are taken until the first snapshot shows it, None where nobody will know; of the tensors that
    are `told` it was said."""

    name: str
    model: Mapping[str, Any]
    task: Mapping[str, Any]
    training: Mapping[str, Any]
    specs: Sequence[TensorSpec]
    scalars: Sequence[str]
    metric_names: Mapping[str, str] = field(default_factory=dict)
    taken: Taken | None = None
    told: Collection[str] = ()

    def manifest(self, folder: Path) -> dict[str, Any]:
        """The whole manifest of a run in `folder`. Raises RecorderError for what no reader would open."""
        scalars = scalar_entries(self.scalars, self.taken)
        placed, size = place([spec.entry() for spec in self.specs] + scalars)
        manifest = {
            "format": _FORMAT,
            "version": 1,
            "run": {
                "id": run_id(folder.resolve().name),
                "name": self.name,
                "created_at": time.time(),
                "writer": f"strobe {__version__} (python)",
            },
            "model": plain(self.model, "model"),
            "task": plain(self.task, "task"),
            "training": plain(self.training, "training"),
            "snapshot": {"bytes": size, "tensors": placed},
        }
        if self.metric_names:
            manifest["metric_names"] = {str(own): str(name) for own, name in self.metric_names.items()}
        validate(manifest, folder / MANIFEST)
        return manifest


def as_taken(
    manifest: Mapping[str, Any], taken: Taken | None, ahead: int, told: Collection[str] = ()
) -> dict[str, Any]:
    """The manifest with `taken` on every tensor that says when it was taken, or on none where that is not known; what
    of those that are `told` was said stays.

    `ahead` is how many updates more than its step says a snapshot holds: `training.updates_ahead` where it is not 0.
    """
    tensors = [tensor if tensor["name"] in told else _retaken(tensor, taken)
               for tensor in manifest["snapshot"]["tensors"]]  # fmt: skip
    training = {key: value for key, value in manifest.get("training", {}).items() if key != "updates_ahead"}
    if ahead:
        training["updates_ahead"] = ahead
    said = {"training": training} if ahead or "training" in manifest else {}
    return {**manifest, **said, "snapshot": {**manifest["snapshot"], "tensors": tensors}}


def _retaken(tensor: Mapping[str, Any], taken: Taken | None) -> dict[str, Any]:
    kept = {key: value for key, value in tensor.items() if key != "taken"}
    return kept | {"taken": taken} if taken is not None and "taken" in tensor else kept


def plain(values: Any, what: str) -> dict[str, Any]:
    """A manifest's object from a mapping, a Namespace or a dataclass, without None: what JSON has no word for is
    written as text. Raises RecorderError for anything else."""
    if dataclasses.is_dataclass(values) and not isinstance(values, type):
        values = {field.name: getattr(values, field.name) for field in dataclasses.fields(values)}
    elif not isinstance(values, Mapping) and hasattr(values, "__dict__") and not callable(values):
        values = vars(values)
    if not isinstance(values, Mapping):
        raise RecorderError(f"{what} is a {type(values).__name__}; give a dictionary")
    return {str(key): _plain_value(value) for key, value in values.items() if value is not None}


def _plain_value(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    if isinstance(value, np.generic):
        return _plain_value(value.item())
    return _plain_value(value.tolist()) if _is_one_number(value) else str(value)


def _is_one_number(value: Any) -> bool:
    """Whether it is a tensor that holds just one, as learning rates of compiled optimizers do."""
    try:
        return hasattr(value, "detach") and value.dim() == 0 and value.device.type != "meta"
    except Exception:
        return False


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` without those that are None: absent means unknown, and the manifest has no null."""
    return {key: value for key, value in values.items() if value is not None}


def is_manifest(value: object) -> bool:
    """Whether a manifest.json is ours to resume, or to replace: other programs have files of that name too."""
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        return False
    snapshot = value.get("snapshot")
    tensors = snapshot.get("tensors") if isinstance(snapshot, dict) else None
    return isinstance(value.get("model"), dict) and isinstance(tensors, list) and all(map(_is_tensor, tensors))


def _is_tensor(value: object) -> bool:
    return isinstance(value, dict) and {"name", "shape", "dtype"} <= value.keys()


def check_same(
    existing: Mapping[str, Any], ours: Mapping[str, Any], folder: Path, parts: Iterable[Mapping[str, Any]] = ()
) -> None:
    """Raises RecorderError where a resumed run would record another model or other tensors than the run has in
    manifest.json, or in one of its later `parts`."""
    # When a tensor was taken is what the first snapshot showed; a resumed run has taken none yet.
    ours = json.loads(json.dumps(as_taken(ours, None, 0)))
    same = any(_alike(as_taken(part, None, 0), ours) for part in (existing, *parts))
    for what, differs in (("model", existing["model"] != ours["model"]), ("snapshot", not same)):
        if differs:
            raise RecorderError(f"{folder}: the run there has another {what}; {_first_change(existing, ours)}")


def _alike(existing: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether two manifests have the same tensors, those aside that one of them has no data of."""
    there, here = existing["snapshot"]["tensors"], ours["snapshot"]["tensors"]
    if len(there) != len(here):
        return False
    return all(
        a["name"] == b["name"] and ("missing" in a or "missing" in b or _lasting(a) == _lasting(b))
        for a, b in zip(there, here, strict=True)
    )


def _lasting(entry: Mapping[str, Any]) -> dict[str, Any]:
    # What is frozen may be thawed when a run is resumed: its manifest tells of the beginning.
    return {key: value for key, value in entry.items() if key not in ("offset", "trainable")}


def validate(manifest: Mapping[str, Any], where: Path | str) -> None:
    """Raises RecorderError for what no reader would open."""
    # A machine without pydantic trains without this check.
    try:
        from etl.run.manifest import ManifestError, parse
    except ImportError:
        return
    try:
        parse(manifest_bytes(manifest), where)
    except ManifestError as error:
        raise RecorderError(str(error)) from None


def _first_change(existing: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """What differs first between two manifests' models or tensors, in words."""
    for key in sorted({*existing["model"], *ours["model"]}):
        before, now = existing["model"].get(key), ours["model"].get(key)
        if before != now:
            return f"model.{key} is {before} there and {now} now"
    pairs = zip(_tensors(existing), _tensors(ours), strict=False)
    changed = [pair for pair in pairs if pair[0] != pair[1]]
    return f"{changed[0][0]} there, {changed[0][1]} now" if changed else "its tensors are not these"


def _tensors(manifest: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [(t["name"], t["shape"], t["dtype"]) for t in manifest["snapshot"]["tensors"]]
