"""Recording a training: `Recorder` writes the snapshot format and knows no model; a `TensorSource` knows one.

Nothing here imports torch until a torch tensor is handed in, and a Recorder takes numpy arrays as well. `adapters/`
has the sources that need more.
"""

from __future__ import annotations

from etl.run.names import run_id
from strobe.record.errors import RecorderError
from strobe.record.lock import FolderLock, LockedError
from strobe.record.recorder import Recorder, Status
from strobe.record.source import TensorSource
from strobe.record.tensors import SCALARS, TensorSpec

__all__ = [
    "SCALARS",
    "FolderLock",
    "LockedError",
    "Recorder",
    "RecorderError",
    "Status",
    "TensorSource",
    "TensorSpec",
    "run_id",
]
