"""What a run was configured with: `runs.config` by its keys, and numbers that trainers write under various names."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

DEVICES: Final = ("world_size", "num_gpus", "num_processes", "n_devices", "ddp_world_size")


def configuration(config: str | None) -> dict[str, Any]:
    """Every key of `runs.config` (JSON) with its value, whatever it stands inside; of keys that are called alike the
    outer one counts. Empty where it is damaged."""
    try:
        return dict(_named(json.loads(config or "{}")))
    except ValueError:
        return {}


def settings(config: str | None) -> dict[str, str]:
    """`runs.config` (JSON) as flat names and words: training.weight_decay -> "1.0". Empty where it is damaged."""
    try:
        found = json.loads(config or "{}")
    except ValueError:
        return {}
    flat: dict[str, str] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        elif not isinstance(value, list):
            flat[prefix] = str(value)

    walk("", found)
    return flat


def whole(config: Mapping[str, Any], names: Sequence[str]) -> int | None:
    """The first of some keys that is a whole number above 0."""
    for name in names:
        text = str(config.get(name, ""))
        if text.isascii() and text.isdigit() and int(text) > 0:
            return int(text)
    return None


def real(config: Mapping[str, Any], names: Sequence[str]) -> float | None:
    """The first of some keys that is a finite number, 0 and negative ones too."""
    for name in names:
        value = config.get(name)
        try:
            number = (
                float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
            )
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return None


def _named(config: object) -> Iterator[tuple[str, Any]]:
    """The outer keys last, so that they count."""
    if isinstance(config, Mapping):
        for value in config.values():
            yield from _named(value)
        yield from config.items()
