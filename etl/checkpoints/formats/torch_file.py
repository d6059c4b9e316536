"""PyTorch's files, read without PyTorch: the zip files of today, and the files of before 1.6.

Nothing in them is run (`etl.checkpoints.formats.unpickling`). The first dict of tensors by name is the checkpoint;
plain values beside it are what the file says of itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from etl.checkpoints.formats.contents import CheckpointError, Contents, NoTensorsError, OpenFile, Stored, dtype_of
from etl.checkpoints.formats.torch_values import NoTensorError, allowed, is_tensor, storage_of, stored, view_of
from etl.checkpoints.formats.unpickling import MOST_BYTES, Made, Persistent, PickleError, read
from etl.checkpoints.formats.zipped import Members, members

PICKLE: Final = "/data.pkl"
_LEGACY_MAGIC: Final = 0x1950A86A20F9469CFC6C
_LEGACY_START: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_DEPTH: Final = 4
"""How deep in a file's dicts a state dict is looked for."""
_FACTS_DEPTH: Final = 3
_MOST_TEXT: Final = 1000
"""Characters of a setting that is kept."""
_MODEL_KEYS: Final = ("model", "state_dict", "model_state_dict", "model_state", "module", "net", "network", "params")
"""Where training programs put a state dict, in the order in which they are looked at before all other keys."""
_NO_MODEL: Final = ("optimizer", "optim", "optimizer_state_dict", "optimizer_states", "scheduler", "ema", "rng")

Place = Callable[[str], tuple[int, int]]
"""Key of a storage -> its first byte and its size. Raises NoTensorError."""


def is_legacy(start: bytes) -> bool:
    return start.startswith(_LEGACY_START)


def read_file(path: Path) -> Contents:
    """Raises CheckpointError for a pickle that holds more than tensors and plain values, and for damage."""
    with OpenFile(path) as file:
        legacy = is_legacy(file.beginning(len(_LEGACY_START)))
        if legacy:
            value, places = _legacy(file)
            return _contents(file, value, partial(_in_order, places))
    with members(path) as archive:
        folder = _folder(archive)
        if archive.every[folder + PICKLE].deflated:
            raise CheckpointError(f"{path}: {folder}{PICKLE} is deflated, which PyTorch does not do")
        value = _unpickled(archive.read(folder + PICKLE, MOST_BYTES), f"{path}: {folder}{PICKLE}")
        order = f"{folder}/byteorder"
        if order in archive.every and archive.read(order, 16).strip() != b"little":
            raise CheckpointError(f"{path}: was written on a big-endian machine")
        read = _contents(archive.file, value, lambda key: _in_zip(archive, f"{folder}/data/{key}"))
        stored = [each for name, each in archive.every.items() if name.startswith(f"{folder}/data/")]
        return replace(read, checks=[check for each in stored for check in each.checks])


def _folder(archive: Members) -> str:
    names = [name.removesuffix(PICKLE) for name in archive.every if name.endswith(PICKLE)]
    if len(names) != 1:
        raise CheckpointError(f"{archive.file.path}: holds {len(names)} files data.pkl, and PyTorch writes one")
    return names[0]


def _unpickled(data: bytes, where: str, start: int = 0) -> Any:
    try:
        return read(data, allowed, start)[0]
    except PickleError as error:
        raise CheckpointError(f"{where} {error}") from None


def _in_zip(archive: Members, name: str) -> tuple[int, int]:
    if name not in archive.every:
        raise NoTensorError(f"has a storage that is not there: {name!r:.60}")
    member = archive.every[name]
    if member.deflated:
        raise NoTensorError("has a storage that is deflated, which PyTorch does not do")
    return member.offset, member.size


def _in_order(places: Mapping[str, tuple[int, int]], key: str) -> tuple[int, int]:
    if key not in places:
        raise NoTensorError("has a storage that is not there")
    return places[key]


def _legacy(file: OpenFile) -> tuple[Any, Mapping[str, tuple[int, int]]]:
    """The object of a file of before 1.6, and where its storages lie: pickles of a magic number, a version, a few
    facts of the machine, the object and the storages' keys, then each storage with its count of values before it."""
    data, at, values = file.beginning(MOST_BYTES), 0, []
    try:
        for _ in range(5):
            value, at = read(data, allowed, at)
            values.append(value)
    except PickleError as error:
        raise CheckpointError(f"{file.path}: {error}") from None
    magic, _, machine, value, keys = values
    if magic != _LEGACY_MAGIC or not isinstance(keys, list) or not isinstance(machine, dict):
        raise CheckpointError(f"{file.path}: is no file of PyTorch")
    if machine.get("little_endian") is False:
        raise CheckpointError(f"{file.path}: was written on a big-endian machine")
    sizes, places = dict(_storages(value)), {}
    for key in map(str, keys):
        (count,) = struct.unpack("<Q", file.read(at, 8))
        size = count * sizes.get(key, 1)
        if key not in sizes or at + 8 + size > file.size:
            raise CheckpointError(f"{file.path}: storage {key!r:.60} is of no known kind, or ends behind the file")
        places[key], at = (at + 8, size), at + 8 + size
    if at != file.size:
        raise CheckpointError(f"{file.path}: has {file.size - at:,} trailing bytes behind its storages")
    return value, places


def _storages(value: object) -> Iterator[tuple[str, int]]:
    """Key and bytes a value of every storage in an object, each container looked at once."""
    seen, todo = set(), [value]
    while todo:
        each = todo.pop()
        if isinstance(each, Persistent):
            try:
                storage = storage_of(each)
            except NoTensorError:
                continue
            yield storage.key, dtype_of(storage.dtype).itemsize
        elif isinstance(each, dict | list | tuple | Made) and id(each) not in seen:
            seen.add(id(each))
            todo += _inside(each)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Made):
        return [value.args, value.state]
    return list(value.values() if isinstance(value, dict) else value)


def _contents(file: OpenFile, value: object, place: Place) -> Contents:
    found = _state_dict(value)
    if found is None:
        raise NoTensorsError(
            f"{file.path}: holds no dict of tensors by name; save model.state_dict(), not the model itself"
        )
    tensors: dict[str, Stored] = {}
    left_out: dict[str, str] = {}
    for name, each in _flat(found):
        try:
            view = view_of(each)
            tensors[name] = stored(view, *place(view.storage.key))
        except NoTensorError as error:
            left_out[name] = str(error)
    if not tensors and left_out:
        name, why = next(iter(left_out.items()))
        raise CheckpointError(f"{file.path}: none of its {len(left_out):,} tensors can be read; {name!r:.60} {why}")
    return Contents("PyTorch", [file.reader], tensors, _facts(value, found), left_out)


def _state_dict(value: object, depth: int = 0) -> dict[Any, Any] | None:
    """The dict of tensors: `value`, or one in it, by the usual keys first."""
    if not isinstance(value, dict):
        return None
    if any(is_tensor(each) for each in value.values()) and not _is_optimizer(value):
        nested = {key: each for key, each in value.items() if isinstance(each, dict) and key in _MODEL_KEYS}
        if not nested:
            return value
    if depth == _DEPTH or _is_optimizer(value):
        return None
    known = [key for key in _MODEL_KEYS if key in value]
    others = [key for key in value if key not in known and key not in _NO_MODEL]
    found = (_state_dict(value[key], depth + 1) for key in (*known, *others))
    return next((each for each in found if each is not None), None)


def _is_optimizer(value: dict[Any, Any]) -> bool:
    return "param_groups" in value and "state" in value


def _flat(value: dict[Any, Any], before: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """Names and tensors of a state dict; dicts in it give their keys with a dot between."""
    for key, each in value.items():
        name = f"{before}{key}"
        if is_tensor(each):
            yield name, each
        elif isinstance(each, dict) and depth < _DEPTH:
            yield from _flat(each, f"{name}.", depth + 1)


def _facts(value: object, state: object) -> dict[str, Any]:
    """The plain values of a file beside its tensors, by key."""
    if not isinstance(value, dict) or value is state:
        return {}
    return {str(key): each for key, each in _plain_items(value, state, 0)}


def _plain_items(value: Mapping[Any, Any], state: object, depth: int) -> Iterator[tuple[str, Any]]:
    for key, each in value.items():
        if each is state or not isinstance(key, str):
            continue
        if isinstance(each, Made) and each.what.name in ("Namespace", "SimpleNamespace"):
            each = each.state  # noqa: PLW2901
        if isinstance(each, int | float) or (isinstance(each, str) and len(each) < _MOST_TEXT):
            yield key, each
        elif isinstance(each, dict) and depth < _FACTS_DEPTH and key not in _NO_MODEL:
            inner = dict(_plain_items(each, state, depth + 1))
            if inner:
                yield key, inner
