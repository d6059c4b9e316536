"""What a training is made of: the preset, or what the resumed run was started with, and on top of it the flags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import StrobeError

if TYPE_CHECKING:
    from strobe.train.recording import Monitor


def preset_of(presets: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in presets:
        raise StrobeError(f"there is no preset {name!r}; there are {', '.join(presets)}")
    return presets[name]


def _batch_size(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text == "full":
        return {"batch_size": None}
    if not text.isdigit():
        raise StrobeError(f"batch size {text!r} is neither a number nor full")
    return {"batch_size": int(text)}


def training_of(
    preset: dict[str, Any], saved: dict[str, Any] | None, given: dict[str, Any], batch: str | None
) -> Any:
    """The preset, or what the resumed run was started with, and on top of it what was given."""
    from strobe.record.thin import parse_size
    from strobe.train.config import Training, build

    if given.get("max_disk") is not None:
        given["max_disk"] = parse_size(given["max_disk"])
    values = dict(saved["training"]) if saved else dict(preset["training"])
    if given.get("schedule") is not None or given.get("snapshot_every") is not None:
        values |= {"schedule": None, "snapshot_every": None}
    values |= _batch_size(batch)
    return build({"training": values}, "training", Training, given)


def model_of(preset: dict[str, Any], saved: dict[str, Any] | None, given: dict[str, Any], **more: Any) -> Any:
    from strobe.train.config import ConfigError, build
    from strobe.train.model import ModelConfig

    if saved is not None:
        changed = [key for key, value in given.items() if value is not None and saved["model"].get(key) != value]
        if changed:
            raise ConfigError(f"a resumed run keeps its model; leave out {', '.join(changed)}")
        return build({"model": saved["model"]}, "model", ModelConfig, {})
    if given.get("n_embd") is not None and given.get("mlp_width") is None:
        given["mlp_width"] = 4 * given["n_embd"]
    if "init_gain" in preset:
        more["init_std"] = preset["init_gain"] / max(1, given.get("n_embd") or preset["model"]["n_embd"]) ** 0.5
    return build(preset, "model", ModelConfig, given, **more)


def monitor_of(flags: dict[str, Any]) -> tuple[Monitor, int] | None:
    """The weight monitor that was asked for, and how many updates lie between two of its looks."""
    if not flags["weight_monitor"]:
        return None
    from strobe.record.monitor import Thresholds, WeightMonitor

    name = "weight_monitor_"
    try:
        limits = Thresholds(flags[f"{name}vanishing"], flags[f"{name}exploding"])
    except ValueError as error:
        raise StrobeError(f"--weight-monitor: {error}") from None
    monitor = WeightMonitor(thresholds=limits, sample_size=flags[f"{name}sample_size"])
    return monitor, flags[f"{name}interval"]


def saved_of(folder: Path, resume: bool) -> dict[str, Any] | None:
    if not resume:
        return None
    from strobe.train.loop import saved_config

    return saved_config(folder)


def folder_of(out: Path | None, preset: str) -> Path:
    from strobe.settings import runs_path

    return out if out is not None else runs_path() / preset
