"""One checkpoint as a snapshot: the same questions, answered from files that other programs wrote."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from etl.checkpoints.architectures.known import layout_of
from etl.checkpoints.architectures.planning import Layout, Model
from etl.checkpoints.description import config_beside
from etl.checkpoints.formats.contents import Checked, CheckpointError, Contents
from etl.checkpoints.formats.opening import contents, files_of
from etl.checkpoints.reading import Imagined, opened, stretches
from etl.run.crc32 import crc32
from etl.run.layout import place
from etl.run.pieces import Fill, room
from etl.run.snapshot import Snapshot
from etl.run.snapshot_errors import PayloadError

Entries = list[dict[str, Any]]
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint with its place in an imagined snapshot file: what of it is where."""

    contents: Contents
    layout: Layout
    entries: Entries
    """The tensors as a manifest has them, with the offsets that they would have."""
    size: int
    file: Imagined


def checkpoint(path: Path) -> Checkpoint:
    """A checkpoint, its headers read. Raises CheckpointError."""
    return _placed(_Same(contents(path)), json.dumps(config_beside(path), sort_keys=True))


class _Same:
    """Contents by identity: the same as long as the files are."""

    def __init__(self, read: Contents) -> None:
        self.read = read

    def __hash__(self) -> int:
        return id(self.read)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.read is self.read


@lru_cache(maxsize=64)
def _placed(same: _Same, config: str) -> Checkpoint:
    read = same.read
    layout = layout_of(Model.of(read, json.loads(config)))
    entries, size = place([plan.entry for plan in layout.plans])
    return Checkpoint(read, layout, entries, size, Imagined(read.files, stretches(entries, layout.plans)))


def fingerprint(path: Path) -> int:
    """32 bits of the sizes and the times of a checkpoint's files: others where a file was written again."""
    found = 0
    for file in files_of(path):
        try:
            status = os.lstat(file)
        except OSError as error:
            raise CheckpointError(f"{file}: cannot be read ({error.strerror})") from None
        found = zlib.crc32(f"{file.name}:{status.st_size}:{status.st_mtime_ns};".encode(), found)
    return found


def written_at(path: Path) -> float:
    """Unix time at which the last of a checkpoint's files was written."""
    return max(os.lstat(file).st_mtime for file in files_of(path))


def _crc(fill: Fill, check: Checked, buffer: npt.NDArray[np.uint8]) -> int:
    crc = 0
    for start in range(0, check.size, _CHUNK):
        piece = buffer[: min(_CHUNK, check.size - start)]
        fill(piece, check.offset + start)
        crc = crc32(piece, crc)
    return crc


class CheckpointSnapshot(Snapshot):
    """One checkpoint of a run, as `Snapshot` has one: by its tensors' names in the run.

    `payload_crc` is the `fingerprint`: a checkpoint has no CRC of the whole.
    """

    has_crc = False

    def __init__(self, path: Path, step: int, unlike: Mapping[str, str]) -> None:
        """`unlike` is as `Snapshot` has it. Raises CheckpointError."""
        self.path, self.step, self.attempt = path, step, 0
        self._checkpoint = checkpoint(path)
        self._take_tensors({entry["name"]: entry for entry in self._checkpoint.entries}, unlike)
        self.time, self.payload_crc = written_at(path), fingerprint(path)

    @property
    def size(self) -> int:
        """Bytes of the imagined file."""
        return self._checkpoint.size

    @property
    def modified(self) -> None:
        """There may be many files: their times are in `payload_crc`."""

    @property
    def stamp(self) -> Hashable:
        return (str(self.path), self.payload_crc)

    @contextmanager
    def reading(self) -> Iterator[Fill]:
        """`fill(buffer, offset)` as if the checkpoint were one snapshot file. Raises SnapshotError."""
        with self._checkpoint.file.opened() as fill:
            yield fill

    def verify(self) -> None:
        """Read what the files have a CRC of: raises PayloadError where it is another. Headers and sizes were checked
        at the opening, and most formats have no more than those."""
        read, buffer = self._checkpoint.contents, room(_CHUNK)
        for number, each in enumerate(read.files):
            with opened(each) as fill:
                for check in read.checks:
                    if check.file == number and _crc(fill, check, buffer) != check.crc:
                        end = check.offset + check.size
                        raise PayloadError(
                            f"{each.path}: bytes {check.offset:,} to {end:,} have another CRC than it says"
                        )

    def require_crc(self, crc: int) -> None:
        """Any bytes are what they are."""
