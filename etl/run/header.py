"""The first 64 bytes of a snapshot file."""

from __future__ import annotations

import math
import os
import struct
import zlib
from dataclasses import dataclass

from etl.local_files import NotAFileError, open_regular
from etl.run.file_names import MAX_ATTEMPT
from etl.run.layout import HEADER_BYTES
from etl.run.snapshot_errors import SnapshotError

MAGIC = b"STROBE1\0"
_HEADER = struct.Struct("<8sqQIIdQI8xI")
_CRC_VALID = 1


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
