"""numpy's .npz: a zip file of .npy arrays, each with a short header of its own. Pickled objects are never read."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Final

import numpy as np

from etl.checkpoints.formats.contents import Checked, CheckpointError, Contents, Stored, c_strides
from etl.checkpoints.formats.zipped import Members, first_inflated, members

ENDING: Final = ".npy"
_MOST_HEADER: Final = 10_000
_KINDS: Final = "fiubc"


def read_file(path: Path) -> Contents:
    """Raises CheckpointError. Arrays of objects, texts and times are left out, with that reason."""
    tensors, left_out = {}, {}
    checks: list[Checked] = []
    with members(path) as archive:
        for name in archive.every:
            if not name.endswith(ENDING):
                continue
            try:
                tensors[name.removesuffix(ENDING)] = _array(archive, name)
                checks += archive.every[name].checks
            except _LeftOutError as error:
                left_out[name.removesuffix(ENDING)] = str(error)
    return Contents("npz", [archive.file.reader], tensors, {}, left_out, checks)


class _LeftOutError(Exception):
    """Why an array is not read."""


def _array(archive: Members, name: str) -> Stored:
    member, where = archive.every[name], f"{archive.file.path}: array {name!r:.80}"
    shape, fortran, dtype, begins = _header(archive, name, where)
    if dtype.kind not in _KINDS or dtype.hasobject:
        raise _LeftOutError(f"is of dtype {dtype}, not of numbers")
    if dtype.byteorder == ">":
        raise _LeftOutError("is big-endian")
    if begins + math.prod(shape) * dtype.itemsize != member.size:
        raise CheckpointError(f"{where}: {dtype} of shape {shape} does not take {member.size - begins:,} bytes")
    strides = c_strides(shape[::-1])[::-1] if fortran else None
    if member.deflated:
        return Stored(dtype.name, shape, 0, member.offset, strides, packed=member.stored, begins=begins)
    return Stored(dtype.name, shape, 0, member.offset + begins, strides)


def _header(archive: Members, name: str, where: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    start = io.BytesIO(_beginning(archive, name))
    try:
        version = np.lib.format.read_magic(start)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(start, max_header_size=_MOST_HEADER)
    except Exception as error:
        # numpy gives the text to Python's parser and tokenizer, and does not say what of theirs may come out.
        raise CheckpointError(f"{where}: its header cannot be read ({error})") from None
    if any(size < 0 for size in shape):
        raise CheckpointError(f"{where}: has the shape {shape}")
    return shape, fortran, dtype, start.tell()


def _beginning(archive: Members, name: str) -> bytes:
    """Of a member once it is inflated: enough for any header that is read."""
    member, most = archive.every[name], _MOST_HEADER + 20
    packed = archive.file.read(member.offset, min(member.stored, 2 * most))
    return first_inflated(packed, most, f"{archive.file.path}: {name!r:.80}") if member.deflated else packed[:most]
