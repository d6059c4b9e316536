"""The `.bin` snapshot format: its names, its header, its layout, and its reader `Snapshot`.

One file holds every recorded tensor of one training step behind a 64-byte header; `docs/snapshot-format.md`
gives it byte by byte. This module needs numpy alone, so that a training machine can write and check snapshots
with nothing else installed; it takes the manifest as a plain dict, which `etl.run.manifest` validates.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from etl.local_files import NotAFileError, open_regular
from etl.run.crc32 import crc32
from etl.run.file_names import parse_file_name
from etl.run.grouped import grouped, nearest
from etl.run.header import Header
from etl.run.layout import DTYPES, HEADER_BYTES, stored_bytes
from etl.run.pieces import FileReader, Fill, ShortenedError, read_rows, room
from etl.run.snapshot_errors import LacksError, OtherManifestError, PayloadError, SnapshotError

_CHUNK = 1 << 20

Array = npt.NDArray[Any]


_NOTHING: Mapping[str, str] = {}


def fnv1a64(data: bytes) -> int:
    """The 64-bit FNV-1a hash that ties a snapshot to its manifest."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The little-endian numpy dtype of a manifest's dtype name; raises SnapshotError for an unknown one."""
    if name not in DTYPES:
        raise SnapshotError(f"dtype {name!r:.80} is unknown; known are {', '.join(DTYPES)}")
    if name == "bfloat16":
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(DTYPES[name])


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """The bytes of manifest.json as our writers write it: compact UTF-8 JSON and a newline."""
    try:
        text = json.dumps(manifest, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise SnapshotError(f"the manifest is not plain JSON: {error}") from None


class Snapshot:
    """One step of one run: `snapshot["params/wte"]` reads a tensor from the file, `read` a part of one.

    Opening checks the header, the size and the manifest's hash; the payload's CRC is checked by `verify`. Nothing is
    mapped and no file is kept open: a file that is shortened or replaced after its opening gives a SnapshotError.
    """

    has_crc: ClassVar[bool] = True
    """Whether there is a CRC to check the payload against."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        manifest: Mapping[str, Any],
        manifest_hash: int,
        *,
        specs: Mapping[str, Mapping[str, Any]] | None = None,
        unlike: Mapping[str, str] = _NOTHING,
    ) -> None:
        """`specs` is the manifest's tensors by name, for callers that open many files of one run. Those that are
        `missing` in them are not there. `unlike` are tensors that nobody expects as they are here, and why: they are
        there, and reading them raises SnapshotError."""
        self.path = Path(path)
        self._take_tensors(
            specs if specs is not None else {t["name"]: t for t in manifest["snapshot"]["tensors"]}, unlike
        )
        try:
            descriptor = open_regular(path)
        except NotAFileError as error:
            raise SnapshotError(str(error)) from None
        try:
            self._file = FileReader(path, descriptor)
            header = Header.parse(os.pread(descriptor, HEADER_BYTES, 0), path)
            self._check(header, manifest, manifest_hash)
            self._opened(descriptor)
        finally:
            os.close(descriptor)
        self.step, self.attempt, self.time = header.step, header.attempt, header.time
        self.payload_crc = header.payload_crc

    def _take_tensors(self, every: Mapping[str, Mapping[str, Any]], unlike: Mapping[str, str]) -> None:
        self._missing = {name: spec["missing"] for name, spec in every.items() if "missing" in spec}
        self._specs = {name: spec for name, spec in every.items() if name not in self._missing}
        self._unlike = unlike

    def _opened(self, descriptor: int) -> None:
        """What a reader of another kind does while the file is open."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._file.size

    @property
    def modified(self) -> int | None:
        """When the file was last written to, as it was when it was opened: nanoseconds since 1970."""
        return self._file.modified

    @property
    def stamp(self) -> Hashable:
        """Another one where the file was replaced or written to since."""
        return (str(self.path), *self._file.stamp)

    def _check(self, header: Header, manifest: Mapping[str, Any], manifest_hash: int) -> None:
        if header.payload_bytes != self.size - HEADER_BYTES:
            raise SnapshotError(
                f"{self.path}: holds {self.size - HEADER_BYTES:,} payload bytes where its header says "
                f"{header.payload_bytes:,}: truncated or extended"
            )
        if header.manifest_hash != manifest_hash:
            raise OtherManifestError(self.path, header.manifest_hash, manifest_hash)
        if self.size != manifest["snapshot"]["bytes"]:
            raise SnapshotError(f"{self.path}: is {self.size:,} bytes, snapshot.bytes says otherwise")
        if parse_file_name(self.path.name) not in (None, (header.step, header.attempt)):
            raise SnapshotError(
                f"{self.path}: its header says step {header.step} attempt {header.attempt}, unlike its name"
            )

    @property
    def names(self) -> list[str]:
        """The names of all tensors, in manifest order."""
        return list(self._specs)

    def readable(self, name: str) -> bool:
        """Whether a tensor is there and is as the run as a whole has it."""
        return name in self._specs and name not in self._unlike

    def __contains__(self, name: object) -> bool:
        return name in self._specs

    def spec(self, name: str) -> Mapping[str, Any]:
        """The manifest's entry of a tensor: dims, shape, dtype, offset, and what it has besides."""
        if name in self._missing:
            raise LacksError(f"{self.path}: tensor {name!r:.80} has no data here: {self._missing[name]:.200}")
        if name not in self._specs:
            raise SnapshotError(f"{self.path}: no tensor {name!r:.80}; there are {nearest(name, self._specs)}")
        return self._specs[name]

    def placed(self, name: str) -> tuple[np.dtype[Any], tuple[int, ...], int]:
        """dtype, shape and offset of a tensor. Raises SnapshotError where it does not lie inside the file."""
        spec = self.spec(name)
        if name in self._unlike:
            raise LacksError(f"{self.path}: tensor {name!r:.80} {self._unlike[name]}")
        dtype, shape, offset = numpy_dtype(spec["dtype"]), tuple(spec["shape"]), spec["offset"]
        if offset < HEADER_BYTES or offset + math.prod(shape) * dtype.itemsize > self.size:
            raise SnapshotError(f"{self.path}: tensor {name!r:.80}: offset: lies outside the file")
        return dtype, shape, offset

    @contextmanager
    def reading(self) -> Iterator[Fill]:
        """`fill(buffer, offset)` from the file, open as long as the block lasts. Raises SnapshotError."""
        try:
            with self._file.opened() as descriptor:
                yield partial(self._file.fill, descriptor)
        except (NotAFileError, ShortenedError) as error:
            raise SnapshotError(str(error)) from None

    def __getitem__(self, name: str) -> Array:
        """The whole tensor, read-only. A name that the tables have means the same here: "params/layers.weight" is
        that tensor of every layer, stacked, and "params/layers.weight.3" that of layer 3. Raises SnapshotError."""
        if name in self._specs or (found := grouped(self._specs, name)) is None:
            return self._whole(name)
        parts = [self._whole(each) for each in found.names]
        if not found.stacked:
            return parts[0] if found.layer is None else parts[0][found.layer]
        if len({(part.shape, part.dtype) for part in parts}) > 1:
            raise SnapshotError(
                f"{self.path}: {name!r:.80} differs between layers; ask for one, as {name + '.0'!r:.80}"
            )
        stacked = np.stack(parts)
        stacked.flags.writeable = False
        return stacked

    def _whole(self, name: str) -> Array:
        """One tensor of the file. Raises SnapshotError."""
        return self.read(name)

    def read(self, name: str, at: int | Sequence[int] | None = None, second: Sequence[int] | None = None) -> Array:
        """A tensor as it is stored, or of its first axis one place or some, and of its second axis some: an int takes
        the axis away. Neither other bytes are read nor memory is taken for them. Raises SnapshotError."""
        dtype, shape, offset = self.placed(name)
        first = range(shape[0]) if at is None else [at] if isinstance(at, int) else at
        inner = range(1) if second is None else second
        lengths = (shape[0], 1) if second is None else shape[:2]
        if any(not 0 <= k < n for places, n in zip((first, inner), lengths, strict=True) for k in places):
            raise SnapshotError(f"{self.path}: tensor {name!r:.80} is {list(shape)}, and more was asked for")
        rest = shape[1:] if second is None else (len(inner), *shape[2:])
        count = len(first) * math.prod(rest)
        array: Array = room(count * dtype.itemsize).view(dtype).reshape(len(first), *rest)
        with self.reading() as fill:
            rows = array.reshape(len(first) * len(inner), count // max(1, len(first) * len(inner)))
            read_rows(fill, rows, offset, [row * lengths[1] + k for row in first for k in inner])
        array.flags.writeable = False
        return array.reshape(rest) if isinstance(at, int) else array

    def values(self, name: str, at: int | Sequence[int] | None = None, second: Sequence[int] | None = None) -> Array:
        """`read` as floats, times the tensor's `scale` where it has one (value = stored x scale[..., None])."""
        stored, scale = self.read(name, at, second), self.spec(name).get("scale")
        if scale is not None:
            return stored.astype(np.float32) * self.read(scale, at, second)[..., None]
        return stored if np.issubdtype(stored.dtype, np.floating) else stored.astype(np.float32)

    def verify(self) -> None:
        """Read the whole file: raises SnapshotError when its CRC is wrong or a gap holds anything but zero."""
        crc, buffer = 0, room(min(_CHUNK, self.size))
        with self.reading() as fill:
            for start in range(HEADER_BYTES, self.size, _CHUNK):
                piece = buffer[: min(_CHUNK, self.size - start)]
                fill(piece, start)
                crc = crc32(piece, crc)
            self.require_crc(crc)
            for start, end in self.gaps():
                gap = np.empty(end - start, np.uint8)
                fill(gap, start)
                if gap.any():
                    raise SnapshotError(f"{self.path}: bytes {start}-{end - 1} lie between tensors and are not zero")

    def require_crc(self, crc: int) -> None:
        """Raises PayloadError where the payload's CRC is not the header's."""
        if crc != self.payload_crc:
            raise PayloadError(f"{self.path}: payload crc is {crc:08x}, the header says {self.payload_crc:08x}")

    def gaps(self) -> Iterator[tuple[int, int]]:
        """(start, end) of the bytes before each tensor and behind the last."""
        end = HEADER_BYTES
        for spec in self._specs.values():
            yield end, spec["offset"]
            end = spec["offset"] + stored_bytes(spec)
        yield end, self.size

    def __repr__(self) -> str:
        return f"Snapshot({str(self.path)!r}, step={self.step}, attempt={self.attempt}, tensors={len(self._specs)})"
