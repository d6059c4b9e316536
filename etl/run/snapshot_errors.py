"""What can be wrong with a snapshot."""

from __future__ import annotations

from pathlib import Path

from etl.errors import StrobeError
from etl.run.file_names import MANIFEST


class SnapshotError(StrobeError):
    """A snapshot that cannot be read or written; the message names the file and, where there is one, the tensor."""


class OtherManifestError(SnapshotError):
    """A snapshot of another manifest than it is opened with: that of the hash `named`."""

    def __init__(self, path: Path, named: int, given: int) -> None:
        self.named = named
        super().__init__(
            f"{path}: was written under another manifest (hash {named:016x}, {MANIFEST} has {given:016x})"
        )


class LacksError(SnapshotError):
    """The snapshot was recorded without this tensor, or with another shape of it than the run has at its end."""


class PayloadError(SnapshotError):
    """A snapshot whose header is sound and whose payload is not what the header says."""
