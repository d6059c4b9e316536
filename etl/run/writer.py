"""Writing a run's snapshots: the manifest once, then one whole file a step. Needs numpy alone."""

from __future__ import annotations

import os
import time as clock
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etl.replacing import replacing, write_all
from etl.run.file_names import MANIFEST, MAX_ATTEMPT, file_name, list_files, list_parts, part_name
from etl.run.header import Header
from etl.run.journal import MAX_STEP
from etl.run.layout import HEADER_BYTES, place
from etl.run.snapshot import Array, fnv1a64, manifest_bytes, numpy_dtype
from etl.run.snapshot_errors import SnapshotError


def write_manifest(folder: str | os.PathLike[str], manifest: Mapping[str, Any], *, fsync: bool = True) -> int:
    """Write manifest.json unless the very same one is there; returns its hash. A different one is never replaced."""
    data, path = manifest_bytes(manifest), Path(folder) / MANIFEST
    if path.exists():
        if path.read_bytes() != data:
            raise SnapshotError(f"{path}: is there already and differs; record into another folder")
    else:
        with replacing(path, fsync=fsync) as descriptor:
            write_all(descriptor, data)
    return fnv1a64(data)


class SnapshotWriter:
    """Writes the snapshots of one run; a reader never sees half a file.

    `manifest` has its tensors placed (see `place`); it is written on construction unless it is there already.
    """

    def __init__(self, folder: str | os.PathLike[str], manifest: Mapping[str, Any], *, fsync: bool = True) -> None:
        self.folder, self._fsync = Path(folder), fsync
        self._take(manifest)
        self.manifest_hash = write_manifest(folder, manifest, fsync=fsync)

    def _take(self, manifest: Mapping[str, Any]) -> None:
        tensors: list[dict[str, Any]] = list(manifest["snapshot"]["tensors"])
        placed, size = place(tensors)
        if placed != tensors or size != manifest["snapshot"]["bytes"]:
            raise SnapshotError(f"{self.folder}: the manifest's offsets are not those that `place` gives")
        self._tensors, self._bytes = tensors, size

    def begin_part(self, manifest: Mapping[str, Any]) -> None:
        """Write what follows under another manifest: that of a part which stands already, or a new one, in the next
        manifest.N.json. Raises SnapshotError, or OSError when the disk refuses; what was there goes on then."""
        data, parts = manifest_bytes(manifest), list_parts(self.folder)
        if not any(path.read_bytes() == data for path in (self.folder / MANIFEST, *(path for _, path in parts))):
            number = 1 + max((number for number, _ in parts), default=0)
            with replacing(self.folder / part_name(number), fsync=self._fsync) as descriptor:
                write_all(descriptor, data)
        self._take(manifest)
        self.manifest_hash = fnv1a64(data)

    def replace_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Put another manifest of the same tensors in place of the one that no snapshot has named yet.

        Raises SnapshotError where a snapshot stands already or the tensors lie otherwise, OSError when the disk
        refuses.
        """
        data, snapshot = manifest_bytes(manifest), manifest["snapshot"]
        if list_files(self.folder):
            raise SnapshotError(f"{self.folder}: a snapshot stands already, and names the manifest that is there")
        if (snapshot["bytes"], _places(snapshot["tensors"])) != (self._bytes, _places(self._tensors)):
            raise SnapshotError(f"{self.folder}: the tensors lie otherwise in that manifest")
        with replacing(self.folder / MANIFEST, fsync=self._fsync) as descriptor:
            write_all(descriptor, data)
        self.manifest_hash = fnv1a64(data)

    def write(self, step: int, arrays: Mapping[str, Array], *, attempt: int = 0, time: float | None = None) -> Path:
        """Write one snapshot atomically; returns its path.

        `arrays` maps every tensor name of the manifest to an array of just its shape and dtype. Raises SnapshotError
        when they differ or the file exists already, OSError when the disk refuses; nothing is left behind then.
        """
        if not 0 <= step <= MAX_STEP or not 0 <= attempt <= MAX_ATTEMPT:
            raise SnapshotError(f"step {step} or attempt {attempt} is out of range")
        payload = self._payload(arrays)
        path = self.folder / file_name(step, attempt)
        if path.exists():
            raise SnapshotError(f"{path}: step {step} was recorded already in attempt {attempt}")
        written_at = clock.time() if time is None else time
        with replacing(path, fsync=self._fsync) as descriptor:
            crc = self._write_payload(descriptor, payload)
            size = self._bytes - HEADER_BYTES
            header = Header(step, size, crc, written_at, self.manifest_hash, attempt)
            os.lseek(descriptor, 0, os.SEEK_SET)
            write_all(descriptor, header.pack())
        return path

    def _payload(self, arrays: Mapping[str, Array]) -> list[tuple[int, Array]]:
        there = [tensor for tensor in self._tensors if "missing" not in tensor]
        unknown = set(arrays) - {tensor["name"] for tensor in there}
        if unknown:
            raise SnapshotError(f"tensors {sorted(unknown)} are not in the manifest")
        return [(tensor["offset"], _as_bytes(tensor, arrays)) for tensor in there]

    def _write_payload(self, descriptor: int, payload: list[tuple[int, Array]]) -> int:
        crc, position = 0, HEADER_BYTES
        os.lseek(descriptor, position, os.SEEK_SET)
        for offset, data in [*payload, (self._bytes, np.empty(0, np.uint8))]:
            for part in (bytes(offset - position), data.data):
                write_all(descriptor, part)
                crc = zlib.crc32(part, crc)
            position = offset + data.size
        return crc


def _places(tensors: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(tensor[key] for key in ("name", "shape", "dtype", "offset")) for tensor in tensors]


def _as_bytes(tensor: Mapping[str, Any], arrays: Mapping[str, Array]) -> Array:
    name, dtype = tensor["name"], numpy_dtype(tensor["dtype"])
    if name not in arrays:
        raise SnapshotError(f"tensor {name!r} is missing; a snapshot holds every tensor of its manifest")
    array = arrays[name]
    if list(array.shape) != list(tensor["shape"]) or array.dtype.newbyteorder("<") != dtype:
        raise SnapshotError(
            f"tensor {name!r} is {array.dtype} {list(array.shape)}; "
            f"the manifest says {tensor['dtype']} {list(tensor['shape'])}"
        )
    return np.ascontiguousarray(array, dtype=dtype).reshape(-1).view(np.uint8)
