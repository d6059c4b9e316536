"""A checksum before a file's bytes, so that a damaged file is told before anything reads it.

48 bytes stand before the rest: the magic, the number of bytes that follow (uint64, little-endian), their SHA-256.
"""

from __future__ import annotations

import hashlib
import struct

_MAGIC = b"STRSEAL1"
_HEADER = struct.Struct("<8sQ32s")


class SealError(ValueError):
    """Bytes that are not those that were sealed; says what is wrong with them."""


def seal(payload: memoryview) -> bytes:
    """The header that stands before `payload`."""
    return _HEADER.pack(_MAGIC, len(payload), hashlib.sha256(payload).digest())


def unseal(data: bytes, *, unsealed_magic: bytes) -> tuple[memoryview, bool]:
    """(payload, whether its checksum was there). Bytes that begin with `unsealed_magic` were never sealed.

    Raises SealError for everything else that is not whole.
    """
    whole = memoryview(data)
    if data.startswith(unsealed_magic):
        return whole, False
    if len(data) < _HEADER.size:
        raise SealError(f"it is cut off after {len(data):,} bytes")
    magic, size, digest = _HEADER.unpack_from(data)
    payload = whole[_HEADER.size :]
    if magic != _MAGIC:
        raise SealError("it does not begin as such a file does")
    if len(payload) != size:
        raise SealError(f"it has {len(payload):,} bytes where {size:,} were written")
    if hashlib.sha256(payload).digest() != digest:
        raise SealError("its checksum does not fit its bytes")
    return payload, True
