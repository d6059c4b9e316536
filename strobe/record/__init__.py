"""Recording a training: `Recorder` writes the snapshot format and knows no model; adapters tell it what to record.

Nothing here imports torch until a torch tensor is handed in, and a Recorder takes numpy arrays as well.
"""

from __future__ import annotations

from strobe.record.lock import FolderLock, LockedError
from strobe.record.recorder import Recorder, Status
from strobe.record.tensors import SCALARS, RecorderError, TensorSpec, run_id

__all__ = [
    "SCALARS",
    "FolderLock",
    "LockedError",
    "Recorder",
    "RecorderError",
    "Status",
    "TensorSpec",
    "run_id",
]
