"""The text of a log as UTF-8 lines that end in a newline, whatever the file has: gzip, UTF-16, carriage returns."""

from __future__ import annotations

import codecs
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

from etl.local_files import open_regular

HEAD = 1 << 20
"""Bytes of a file's text by which a source knows it: some logs print the source code of their program first."""
MOST_UNPACKED = 8 << 30
_CHUNK = 1 << 20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class PlainText:
    """A seekable file of UTF-8 text, and why it ends early where it does. `itself` says that it is the log's own
    file, whose bytes can be named to a person."""

    file: BinaryIO
    itself: bool
    cut: str | None = None


@contextmanager
def plain_text(path: Path) -> Iterator[PlainText]:
    """The log's text, at its beginning. Raises NotAFileError for a link, pipe or device.

    What is packed or encoded otherwise is decoded into a temporary file, MOST_UNPACKED bytes of it at most; memory is
    bounded. A UTF-8 signature is part of the text.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        start = file.read(_CHUNK)
        file.seek(0)
        if not _needs_decoding(start):
            yield PlainText(file, itself=True)
            return
        with tempfile.TemporaryFile() as decoded:
            cut = _decode(file, decoded)
            decoded.seek(0)
            yield PlainText(cast(BinaryIO, decoded), itself=False, cut=cut)


@lru_cache(maxsize=16)
def _head(path: str, _size: int, _changed: int) -> bytes:
    with os.fdopen(open_regular(path), "rb") as file:
        start = file.read(HEAD)
        if not _needs_decoding(start):
            return start
        file.seek(0)
        decoded, size = [], 0
        try:
            for piece in _pieces(file):
                decoded.append(piece)
                if (size := size + len(piece)) >= HEAD:
                    break
        except (zlib.error, ValueError):
            pass
        return b"".join(decoded)[:HEAD]


def head(path: Path) -> bytes:
    """The first HEAD bytes of the text of a regular file; b"" for anything that cannot be read."""
    try:
        about = path.lstat()
        return _head(os.fspath(path), about.st_size, about.st_mtime_ns)
    except (ValueError, OSError):
        return b""


def text_head(path: Path) -> bytes:
    """`head`, of text alone: b"" where a NUL is among the first bytes."""
    start = head(path)
    return b"" if b"\0" in start[:1024] else start


def _needs_decoding(start: bytes) -> bool:
    return start.startswith((b"\x1f\x8b", *_UTF16)) or _has_bare_returns(start)


def _has_bare_returns(start: bytes) -> bool:
    """Whether lines end in CR alone: one would else be as long as the file."""
    return b"\r" in start and b"\n" not in start


def _decode(file: BinaryIO, into: BinaryIO) -> str | None:
    """Why the text ends early, if it does."""
    size = 0
    try:
        for piece in _pieces(file):
            if (size := size + len(piece)) > MOST_UNPACKED:
                return f"more than {MOST_UNPACKED:,} bytes when unpacked; the rest was not read"
            into.write(piece)
    except (zlib.error, ValueError) as error:
        return f"cannot be unpacked any further: {error}"
    return None


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    raw: Iterator[bytes] = iter(lambda: file.read(_CHUNK), b"")
    start = next(raw, b"")
    raw = _with_first(start, raw)
    if start.startswith(b"\x1f\x8b"):
        raw = _unpacked(raw)
        start = next(raw, b"")
        raw = _with_first(start, raw)
    if start.startswith(_UTF16):
        raw = _utf8(raw)
        start = next(raw, b"")
        raw = _with_first(start, raw)
    if _has_bare_returns(start):
        return (piece.replace(b"\r", b"\n") for piece in raw)
    return raw


def _with_first(start: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from rest


def _unpacked(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Of gzip, members one after another, a stretch at a time. Raises zlib.error where it is damaged."""
    member = zlib.decompressobj(wbits=31)
    for piece in raw:
        left = piece
        while left:
            yield member.decompress(left, _CHUNK)
            left = member.unconsumed_tail
            if member.eof:
                left = member.unused_data.lstrip(b"\0")
                if left:
                    member = zlib.decompressobj(wbits=31)
    if not member.eof:
        raise zlib.error("it ends before its end")


def _utf8(raw: Iterator[bytes]) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
    for piece in raw:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()
