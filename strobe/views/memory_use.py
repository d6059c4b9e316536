"""Memory that a run held on its device, beside what the device has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strobe.analysis.device_memory import device_memory
from strobe.views.configuration import real
from strobe.views.training_log import NOTHING, Trace, TrainingLog

_GIGABYTES: Final = ("gpu_memory_gb", "device_memory_gb", "total_memory_gb")


@dataclass(frozen=True)
class MemoryUse:
    """Bytes over steps, no rows where not logged; `capacity` in bytes, None where `reason` says why."""

    allocated: Trace = NOTHING
    peak: Trace = NOTHING
    capacity: float | None = None
    reason: str = ""

    @property
    def highest(self) -> float | None:
        """The most that was ever held: by the logged peaks, else by what was allocated when it was logged."""
        of = self.peak if len(self.peak) else self.allocated
        return float(of.value.max()) if len(of) else None


def memory_use(log: TrainingLog) -> MemoryUse:
    """Of one run."""
    said = real(log.config, _GIGABYTES)
    device = str(log.row.get("device") or "")
    capacity = said * 1e9 if said is not None and said > 0 else device_memory(device)
    reason = "" if capacity else f"how much {device or 'the device'} has is not known"
    return MemoryUse(
        log.trace("memory_allocated_bytes").finite(), log.trace("memory_peak_bytes").finite(), capacity, reason
    )
