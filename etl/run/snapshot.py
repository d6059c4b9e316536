"""The `.bin` snapshot format: its names, its header, its layout, and its reader `Snapshot`.

One file holds every recorded tensor of one training step behind a 64-byte header; `docs/snapshot-format.md`
gives it byte by byte. This module needs numpy alone, so that a training machine can write and check snapshots
with nothing else installed; it takes the manifest as a plain dict, which `etl.run.manifest` validates.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import zlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from etl.errors import StrobeError
from etl.local_files import NotAFileError, open_regular
from etl.run.crc32 import crc32
from etl.run.journal import MAX_STEP
from etl.run.pieces import FileReader, Fill, ShortenedError, read_rows, room

MAGIC = b"STROBE1\0"
HEADER_BYTES = 64
ALIGNMENT = 64
MANIFEST = "manifest.json"
DTYPES = {
    "float32": "<f4",
    "float64": "<f8",
    "float16": "<f2",
    "bfloat16": "bfloat16",
    "int8": "|i1",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "|u1",
}
_HEADER = struct.Struct("<8sqQIIdQI8xI")
_CRC_VALID = 1
_CHUNK = 1 << 20
_PART = re.compile(r"manifest\.([1-9][0-9]{0,8})\.json")
_NAME = re.compile(r"step_([0-9]{6,20})(?:\.([1-9][0-9]{0,9}))?\.bin")
MAX_ATTEMPT = 2**31 - 1
"""What the tables' INTEGER column holds; the header's field is wider."""

Array = npt.NDArray[Any]


_NOTHING: Mapping[str, str] = {}


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


def fnv1a64(data: bytes) -> int:
    """The 64-bit FNV-1a hash that ties a snapshot to its manifest."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def aligned(offset: int) -> int:
    """`offset` rounded up to the alignment of tensors."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The little-endian numpy dtype of a manifest's dtype name; raises SnapshotError for an unknown one."""
    if name not in DTYPES:
        raise SnapshotError(f"dtype {name!r:.80} is unknown; known are {', '.join(DTYPES)}")
    if name == "bfloat16":
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(DTYPES[name])


def itemsize(dtype: str) -> int:
    """Bytes of one element of a manifest dtype."""
    return 2 if dtype == "bfloat16" else np.dtype(DTYPES[dtype]).itemsize


def stored_bytes(tensor: Mapping[str, Any]) -> int:
    """Bytes of a manifest's tensor in every snapshot of its part of the run: none where it is `missing` there."""
    return 0 if "missing" in tensor else math.prod(tensor["shape"]) * itemsize(tensor["dtype"])


def part_name(number: int) -> str:
    """The file of a part's manifest: manifest.json of part 0, where the run begins, then manifest.1.json."""
    return f"manifest.{number}.json" if number else MANIFEST


def list_parts(folder: str | os.PathLike[str]) -> list[tuple[int, Path]]:
    """(number, path) of the manifests of the parts after the first, in numeric order."""
    with os.scandir(folder) as entries:
        named = [(_PART.fullmatch(entry.name), entry.path) for entry in entries]
    return sorted((int(match[1]), Path(path)) for match, path in named if match is not None)


def place(tensors: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Give each tensor its `offset`; returns the placed tensors and the size of the whole file in bytes."""
    placed, end = [], HEADER_BYTES
    for tensor in tensors:
        offset = aligned(end)
        placed.append({**tensor, "offset": offset})
        end = offset + stored_bytes(tensor)
    return placed, aligned(end)


def file_name(step: int, attempt: int = 0) -> str:
    """`step_000042.bin`, or `step_000042.1.bin` in attempt 1."""
    return f"step_{step:06d}.{attempt}.bin" if attempt else f"step_{step:06d}.bin"


def parse_file_name(name: str) -> tuple[int, int] | None:
    """(step, attempt) of a snapshot's file name, or None for any other name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    step, attempt = int(match[1]), int(match[2] or 0)
    canonical = step <= MAX_STEP and attempt <= MAX_ATTEMPT and file_name(step, attempt) == name
    return (step, attempt) if canonical else None


def list_files(folder: str | os.PathLike[str]) -> list[tuple[int, int, Path]]:
    """(step, attempt, path) of every snapshot under a final name, in numeric order."""
    with os.scandir(folder) as entries:
        named = [(parse_file_name(entry.name), entry.path) for entry in entries]
    return sorted((*key, Path(path)) for key, path in named if key is not None)


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """The bytes of manifest.json as our writers write it: compact UTF-8 JSON and a newline."""
    try:
        text = json.dumps(manifest, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise SnapshotError(f"the manifest is not plain JSON: {error}") from None


@dataclass(frozen=True, slots=True)
class Header:
    """The first 64 bytes of a snapshot file."""

    step: int
    payload_bytes: int
    payload_crc: int
    time: float
    manifest_hash: int
    attempt: int

    def pack(self) -> bytes:
        fields = (MAGIC, self.step, self.payload_bytes, self.payload_crc, _CRC_VALID)
        head = _HEADER.pack(*fields, self.time, self.manifest_hash, self.attempt, 0)
        return head[:60] + struct.pack("<I", zlib.crc32(head[:60]))

    @classmethod
    def parse(cls, data: bytes, where: object) -> Header:
        if len(data) != HEADER_BYTES:
            raise SnapshotError(f"{where}: the header is cut off after {len(data)} of {HEADER_BYTES} bytes")
        magic, step, size, crc, flags, time, manifest_hash, attempt, own_crc = _HEADER.unpack(data)
        if magic != MAGIC:
            raise SnapshotError(f"{where}: magic is {magic!r}, not {MAGIC!r}: this is no Strobe snapshot")
        if own_crc != zlib.crc32(data[:60]):
            raise SnapshotError(f"{where}: header crc: the header is damaged")
        if flags != _CRC_VALID:
            raise SnapshotError(f"{where}: flags {flags:#x} hold bits this reader does not know, or lack bit 0")
        if any(data[52:60]):
            raise SnapshotError(f"{where}: reserved header bytes 52-59 are not zero")
        if step < 0 or attempt > MAX_ATTEMPT or not math.isfinite(time):
            raise SnapshotError(f"{where}: step {step}, attempt {attempt} or time {time} is out of range")
        return cls(step, size, crc, time, manifest_hash, attempt)


def manifest_hash_of(path: str | os.PathLike[str]) -> int:
    """Which manifest a snapshot file was written under. Raises SnapshotError for a damaged header, or no file."""
    try:
        descriptor = open_regular(path)
    except NotAFileError as error:
        raise SnapshotError(str(error)) from None
    try:
        return Header.parse(os.pread(descriptor, HEADER_BYTES, 0), path).manifest_hash
    finally:
        os.close(descriptor)


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
            section = name.partition("/")[0]
            near = [known for known in self._specs if known.startswith(section + "/")] or self.names
            raise SnapshotError(f"{self.path}: no tensor {name!r:.80}; there are {', '.join(near[:20])}")
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
        """The whole tensor, read-only. Raises SnapshotError."""
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
