"""Whether every weight is learning: gradients before an update, and what the update did to a fixed sample."""

from __future__ import annotations

from strobe.record.monitor.findings import Finding, Kind, Thresholds
from strobe.record.monitor.gradients import GradientStats
from strobe.record.monitor.noise_scale import GradientNoiseScale, simple_noise_scale
from strobe.record.monitor.updates import UpdateStats
from strobe.record.monitor.weight_monitor import WeightMonitor

__all__ = [
    "Finding",
    "GradientNoiseScale",
    "GradientStats",
    "Kind",
    "Thresholds",
    "UpdateStats",
    "WeightMonitor",
    "simple_noise_scale",
]
