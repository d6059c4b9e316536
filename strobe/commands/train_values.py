"""What else the flags of a training say: where it goes, what it goes on from, and what watches its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import StrobeError

if TYPE_CHECKING:
    from strobe.train.recording import Monitor


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
