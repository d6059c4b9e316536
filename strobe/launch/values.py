"""What a training is made of: the preset, or what a resumed run was started with, and on top of it what was given."""

from __future__ import annotations

from typing import Any

from etl.errors import StrobeError
from strobe.record.thin import parse_size
from strobe.train.config import ConfigError, Training, build
from strobe.train.model_config import ModelConfig


def preset_of(presets: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """Raises StrobeError where there is none of this name."""
    if name not in presets:
        raise StrobeError(f"there is no preset {name!r}; there are {', '.join(presets)}")
    return presets[name]


def _batch_size(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text == "full":
        return {"batch_size": None}
    if not text.isdecimal() or len(text) > 18:
        raise StrobeError(f"batch size {text!r} is neither a number nor full")
    return {"batch_size": int(text)}


def training_of(
    preset: dict[str, Any], saved: dict[str, Any] | None, given: dict[str, Any], batch: str | None
) -> Training:
    """The preset, or what the resumed run was started with, and on top of it what was given. Raises StrobeError."""
    if given.get("max_disk") is not None:
        given["max_disk"] = parse_size(given["max_disk"])
    values = dict(saved["training"]) if saved else dict(preset["training"])
    if given.get("schedule") is not None or given.get("snapshot_every") is not None:
        values |= {"schedule": None, "snapshot_every": None}
    values |= _batch_size(batch)
    made: Training = build({"training": values}, "training", Training, given)
    return made


def model_of(preset: dict[str, Any], saved: dict[str, Any] | None, given: dict[str, Any], **more: Any) -> ModelConfig:
    """The same for a model's shape. Raises ConfigError."""
    if saved is not None:
        changed = [key for key, value in given.items() if value is not None and saved["model"].get(key) != value]
        if changed:
            raise ConfigError(f"a resumed run keeps its model; leave out {', '.join(changed)}")
        kept: ModelConfig = build({"model": saved["model"]}, "model", ModelConfig, {})
        return kept
    if given.get("n_embd") is not None and given.get("mlp_width") is None:
        given["mlp_width"] = 4 * given["n_embd"]
    if "init_gain" in preset:
        more["init_std"] = preset["init_gain"] / max(1, given.get("n_embd") or preset["model"]["n_embd"]) ** 0.5
    made: ModelConfig = build(preset, "model", ModelConfig, given, **more)
    return made
