"""Members of a zip file where they lie: what PyTorch's and numpy's files are made of."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from etl.checkpoints.formats.contents import Checked, CheckpointError, OpenFile

ZIP: Final = b"PK\x03\x04"
_LOCAL: Final = 30
"""Bytes of a member's own header, before its name."""
_MOST_LIST: Final = 16 << 20
"""Bytes of a zip file's list of members: those of a hundred thousand tensors take ten million."""
MOST_INFLATED: Final = 2 << 30
"""Bytes that a deflated member may inflate to: all of it is held in memory while it is read."""


class Member(NamedTuple):
    """Where a member's bytes lie."""

    offset: int
    stored: int
    """Bytes in the file."""
    size: int
    """Bytes once inflated."""
    deflated: bool
    crc: int
    """Of the bytes once inflated; 0 where the writer left it out."""

    @property
    def checks(self) -> list[Checked]:
        """What of it can be compared where it lies."""
        return [] if self.deflated or not self.crc else [Checked(0, self.offset, self.stored, self.crc)]


class Members:
    """The members of an open zip file by name. Raises CheckpointError for two that overlap, or lie outside it."""

    def __init__(self, file: OpenFile, infos: list[zipfile.ZipInfo]) -> None:
        self.file = file
        self.every: Mapping[str, Member] = dict(_placed(file, infos))
        end, before = 0, ""
        for name, member in sorted(self.every.items(), key=lambda item: item[1].offset):
            if member.offset < end:
                raise CheckpointError(f"{file.path}: its members {before!r:.80} and {name!r:.80} overlap")
            end, before = member.offset + member.stored, name

    def read(self, name: str, most: int) -> bytes:
        """All of a member. Raises CheckpointError where it is longer than `most`, or is not what it says."""
        member = self.every[name]
        if member.size > most:
            raise CheckpointError(
                f"{self.file.path}: {name!r:.80} is {member.size:,} bytes; at most {most:,} are read"
            )
        data = self.file.read(member.offset, member.stored)
        return inflated(data, member.size, f"{self.file.path}: {name!r:.80}") if member.deflated else data


def _placed(file: OpenFile, infos: list[zipfile.ZipInfo]) -> Iterator[tuple[str, Member]]:
    names: set[str] = set()
    for info in infos:
        where = f"{file.path}: its member {info.filename!r:.80}"
        if info.filename in names:
            raise CheckpointError(f"{where} stands twice")
        names.add(info.filename)
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CheckpointError(f"{where} is encrypted, or packed in a way that is not read")
        head = file.read(info.header_offset, _LOCAL)
        if head[:4] != ZIP:
            raise CheckpointError(f"{where} does not begin where the list of members says")
        offset = info.header_offset + _LOCAL + sum(struct.unpack("<HH", head[26:30]))
        if offset + info.compress_size > file.size:
            raise CheckpointError(f"{where} ends behind the end of the file")
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        if not deflated and info.compress_size != info.file_size:
            raise CheckpointError(f"{where} has two sizes")
        yield info.filename, Member(offset, info.compress_size, info.file_size, deflated, info.CRC)


class _Bounded(io.RawIOBase):
    """An open file as `zipfile` reads one; what it wants at once has a bound, since a list of members may say any
    size."""

    def __init__(self, file: OpenFile) -> None:
        self._file, self._at = file, 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.size}[whence]
        if at < 0:
            raise OSError("a place before the start")
        self._at = at
        return at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._file.size - self._at)
        size = left if size is None or size < 0 else min(size, left)
        if size > _MOST_LIST:
            raise ValueError(f"a list of members of {size:,} bytes; at most {_MOST_LIST:,} are read")
        data = self._file.read(self._at, size)
        self._at += size
        return data


@contextmanager
def members(path: Path) -> Iterator[Members]:
    """A zip file, open as long as the block lasts. Raises CheckpointError."""
    with OpenFile(path) as file:
        try:
            infos = zipfile.ZipFile(_Bounded(file)).infolist()
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, struct.error) as error:
            raise CheckpointError(f"{path}: is no sound zip file ({error})") from None
        yield Members(file, infos)


def inflated(data: bytes, size: int, where: str) -> bytes:
    """A deflated member. Raises CheckpointError unless it inflates to exactly `size` bytes, or where that is more
    than is held in memory."""
    if size > MOST_INFLATED:
        raise CheckpointError(f"{where} inflates to {size:,} bytes; at most {MOST_INFLATED:,} are read")
    try:
        machine = zlib.decompressobj(-zlib.MAX_WBITS)
        made = machine.decompress(data, size + 1)
    except zlib.error as error:
        raise CheckpointError(f"{where} cannot be inflated ({error})") from None
    if len(made) != size or not machine.eof:
        raise CheckpointError(f"{where} does not inflate to the {size:,} bytes that it says")
    return made


def first_inflated(data: bytes, most: int, where: str) -> bytes:
    """What a deflated member begins with, at most `most` bytes of it. Raises CheckpointError."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
    except zlib.error as error:
        raise CheckpointError(f"{where} cannot be inflated ({error})") from None
