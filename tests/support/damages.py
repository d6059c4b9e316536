"""What can happen to a file of a store: to a Parquet part, to a run's pointer, to the store's own file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Harm = Callable[[Path], None]


def flip(path: Path) -> None:
    """One bit of a snapshot's payload, 1,000 bytes before its end."""
    data = bytearray(path.read_bytes())
    data[-1000] ^= 4
    path.write_bytes(data)


def rot(path: Path) -> None:
    """The same, as a disk does it: neither size nor time of the file change."""
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _bytes(change: Callable[[bytes], bytes]) -> Harm:
    return lambda path: _write(path, change(path.read_bytes()))


def _write(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def _flipped(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def _instead(make: Callable[[Path], object]) -> Harm:
    def harm(path: Path) -> None:
        path.unlink()
        make(path)

    return harm


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("x")


def _link(path: Path) -> None:
    aside = path.with_name(f"aside-{path.name}")
    path.rename(aside)
    path.symlink_to(aside.name)


def _anothers(path: Path) -> None:
    """A sound part of another table of the same run takes its place."""
    table = "metrics" if path.parent.parent.name == "scalars" else "scalars"
    other = next((path.parent.parent.parent / table / path.parent.name).iterdir())
    _write(path, other.read_bytes())


PART: dict[str, Harm] = {
    "gone": lambda path: path.unlink(),
    "empty": _bytes(lambda data: b""),
    "first four bytes": _bytes(lambda data: data[:4]),
    "first half": _bytes(lambda data: data[: len(data) // 2]),
    "last byte cut off": _bytes(lambda data: data[:-1]),
    "flip in the first magic": _bytes(lambda data: _flipped(data, 1)),
    "flip in a page": _bytes(lambda data: _flipped(data, 40)),
    "flip in the footer": _bytes(lambda data: _flipped(data, -200)),
    "another table's": _anothers,
    "a folder": _instead(_folder),
    "a pipe": _instead(os.mkfifo),
    "a link": _link,
}


def _json(change: Callable[[dict[str, Any]], object]) -> Harm:
    """The pointer as another program would write it that got one thing wrong, without the CRC."""

    def harm(path: Path) -> None:
        raw = json.loads(path.read_bytes())
        raw.pop("crc32", None)
        changed = change(raw)
        _write(path, json.dumps(raw if changed is None else changed).encode())

    return harm


def _first(raw: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = raw["tables"]["scalars"][0]
    return part


def _text(old: str, new: str) -> Harm:
    return _bytes(lambda data: data.replace(old.encode(), new.encode(), 1))


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


_ANY: dict[str, Harm] = {
    "empty": _bytes(lambda data: b""),
    "half": _bytes(lambda data: data[: len(data) // 2]),
    "zeros": _bytes(lambda data: bytes(len(data))),
    "a byte order mark": _bytes(lambda data: b"\xef\xbb\xbf" + data),
    "a list": _bytes(lambda data: b"[]"),
    "a key twice": _text('"version"', '"version":1,"version"'),
    "a folder": _instead(_folder),
    "a pipe": _instead(os.mkfifo),
    "a link to itself": _instead(_loop),
    "version NaN": _text('"version":', '"version":NaN,"was":'),
    "version as text": _text('"version":', '"version":"1","was":'),
}

POINTER: dict[str, Harm] = {
    **_ANY,
    "UTF-16": _bytes(lambda data: data.decode().encode("utf-16")),
    "nested deeply": _bytes(lambda data: b"[" * 100_000),
    "a number of 5,000 digits": _text('"version":', f'"version":{"9" * 5_000},"was":'),
    "version 1e400": _text('"version":', '"version":1e400,"was":'),
    "version -1": _json(lambda raw: raw.update(version=-1)),
    "of another run": _json(lambda raw: raw.update(run="beta")),
    "no tables": _json(lambda raw: raw.pop("tables") and None),
    "tables as a list": _json(lambda raw: raw.update(tables=[])),
    "no part of runs": _json(lambda raw: raw["tables"].pop("runs") and None),
    "parts as an object": _json(lambda raw: raw["tables"].update(scalars={})),
    "a part as text": _json(lambda raw: raw["tables"].update(scalars=["x"])),
    "a part without rows": _json(lambda raw: _first(raw).pop("rows") and None),
    "a field that is not known": _json(lambda raw: _first(raw).update(colour="red")),
    "rows as text": _json(lambda raw: _first(raw).update(rows="many")),
    "bytes 2^64": _json(lambda raw: _first(raw).update(bytes=2**64)),
    "wide as a number": _json(lambda raw: _first(raw).update(wide=3)),
    "a path upwards": _json(lambda raw: _first(raw).update(file="tables/scalars/run=alpha/../run=beta/x.parquet")),
    "a path from the root": _json(lambda raw: _first(raw).update(file="/etc/passwd")),
    "a path of another run": _json(lambda raw: _first(raw).update(file="tables/scalars/run=beta/part-1.parquet")),
    "a part twice": _json(lambda raw: raw["tables"]["scalars"].append(_first(raw))),
    "state as a list": _json(lambda raw: raw.update(state=[])),
    "a flipped bit": _bytes(lambda data: data.replace(b'"rows":', b'"rows":1', 1)),
}

STORE_FILE: dict[str, Harm] = {
    **{name: harm for name, harm in _ANY.items() if name not in ("half", "zeros")},
    "another format": _text("strobe-store", "strobe-stoke"),
}


def copy_of(store: Path, to: Path) -> Path:
    """A copy whose files may be harmed."""
    return Path(shutil.copytree(store, to, symlinks=True))
