"""CRC-32C of many stretches of bytes at once, masked as TensorFlow's record files have it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Checksums = npt.NDArray[np.uint32]


def _table() -> Checksums:
    """Of each byte, by the reflected polynomial 0x82F63B78."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> np.uint32(1)) ^ np.where(table & np.uint32(1), np.uint32(0x82F63B78), np.uint32(0))
    return table


_TABLE = _table()


def masked_crc32c(rows: npt.NDArray[np.uint8]) -> Checksums:
    """((crc >> 15) | (crc << 17)) + 0xa282ead8 of each row (n, bytes)."""
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in np.ascontiguousarray(rows.T):
        crc = _TABLE[(crc ^ column) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    crc = ~crc
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)
