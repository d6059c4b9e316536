"""What lies beside checkpoints and tells of the model and its training: config.json, and a person's strobe.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from etl.checkpoints.formats.contents import CheckpointError, OpenFile
from etl.run import strict_json

CONFIG: Final = "config.json"
DESCRIPTION: Final = "strobe.json"
"""A person's own words on a run of checkpoints: objects `model`, `task` and `training` of a manifest, and `name`."""
_MOST: Final = 4 << 20
_SECTIONS: Final = ("model", "task", "training")


def json_at(path: Path) -> dict[str, Any]:
    """The JSON object of a file; {} where there is none. Raises CheckpointError for one that cannot be read."""
    if not path.exists():
        return {}
    with OpenFile(path) as file:
        if file.size > _MOST:
            raise CheckpointError(f"{path}: is {file.size:,} bytes; at most {_MOST:,} are read")
        data = file.beginning(_MOST)
    try:
        return strict_json.load(data)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None


def config_beside(checkpoint: Path) -> dict[str, Any]:
    """The settings of the model: config.json in a checkpoint's folder or in the one above it, and `model` of
    strobe.json there before them."""
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    said: dict[str, Any] = (described(folder) or described(folder.parent)).get("model", {})
    return (json_at(folder / CONFIG) or json_at(folder.parent / CONFIG)) | said


def described(folder: Path) -> dict[str, Any]:
    """strobe.json, its parts checked for their kind; {} where there is none. Raises CheckpointError."""
    said = json_at(folder / DESCRIPTION)
    for name in _SECTIONS:
        if not isinstance(said.get(name, {}), dict):
            raise CheckpointError(f"{folder / DESCRIPTION}: {name} is no object")
    return {name: without_null(said[name]) for name in _SECTIONS if name in said} | (
        {"name": said["name"]} if isinstance(said.get("name"), str) and said["name"] else {}
    )


def without_null(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a manifest has them, less what it has no word for: null, numbers that are not finite, and texts
    that cannot be printed."""
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            kept[key] = without_null(value)
        elif key.isprintable() and _has_words(value):
            kept[key] = value
    return kept


def _has_words(value: object) -> bool:
    if isinstance(value, str):
        return value.isprintable()
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
