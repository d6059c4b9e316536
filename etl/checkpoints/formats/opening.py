"""Which kind of checkpoint a file or a folder is, told by its first bytes, and what it holds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from etl.checkpoints.formats import llmc, npz, safetensors, torch_file
from etl.checkpoints.formats.contents import CheckpointError, Contents, OpenFile
from etl.checkpoints.formats.sharded import joined, read_index
from etl.checkpoints.formats.zipped import ZIP, members

_MOST_KEPT: Final = 64
"""Checkpoints whose headers are kept read."""
_INDEXES: Final = (safetensors.INDEX_ENDING, ".bin.index.json")
"""Endings of the files that name a checkpoint's shards."""
ENDINGS: Final = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".npz")
"""Endings of a model's file, the surest first."""
_NO_MODELS: Final = ("optimizer", "optim", "scheduler", "rng_state", "scaler", "training_args", "random_states")
"""What the names of files begin with that training programs write beside a model."""
_SHARD: Final = re.compile(r"-of-([0-9]{1,9})")
_START: Final = 64
_PICKLES: Final = (".pkl", ".pickle", ".joblib")
_PROTOCOL: Final = 0x80
_MOST_PROTOCOL: Final = 5
"""A pickle since Python 2.3 begins with this byte and the number of its protocol."""


_READERS: Final[Mapping[str, Callable[[Path], Contents]]] = {
    "safetensors": safetensors.read_file,
    "npz": npz.read_file,
    "PyTorch": torch_file.read_file,
    "llm.c": llmc.read_file,
}


def kind_of(path: Path) -> str:
    """ "safetensors", "PyTorch", "llm.c", "zip" (PyTorch's or numpy's) by a file's first bytes; "" for one that is no
    checkpoint. Raises CheckpointError for what is no regular file."""
    with OpenFile(path) as file:
        start = file.beginning(_START)
    for kind, fits in (
        ("llm.c", llmc.is_llmc(start)),
        ("zip", start.startswith(ZIP) and path.name.endswith(ENDINGS)),
        ("PyTorch", torch_file.is_legacy(start)),
        ("safetensors", safetensors.is_safetensors(start)),
    ):
        if fits:
            return kind
    return ""


def _kind_of_zip(path: Path) -> str:
    with members(path) as archive:
        names = list(archive.every)
    if any(name.endswith(torch_file.PICKLE) for name in names):
        return "PyTorch"
    return "npz" if any(name.endswith(npz.ENDING) for name in names) else ""


def read_file(path: Path) -> Contents:
    """What one file holds. Raises CheckpointError."""
    kind = kind_of(path)
    if kind == "zip":
        kind = _kind_of_zip(path)
    if not kind:
        raise CheckpointError(f"{path}: is no checkpoint that is read: safetensors, PyTorch, npz or llm.c's .bin")
    return _READERS[kind](path)


def model_files(folder: Path) -> list[Path]:
    """The files that one checkpoint's folder is read from: an index alone, the shards without one, or one file; none
    where it is no checkpoint."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False))
    except OSError:
        return []
    for ending in _INDEXES:
        if found := [name for name in names if name.endswith(ending)]:
            return [folder / found[0]]
    for ending in ENDINGS:
        found = [name for name in names if name.endswith(ending) and not name.startswith(_NO_MODELS)]
        if shards := [name for name in found if "-of-" in name]:
            return [folder / name for name in shards]
        if found:
            return [folder / min(found, key=lambda name: (not name.startswith(("model", "pytorch_model")), name))]
    return []


def files_of(path: Path) -> list[Path]:
    """What a checkpoint, a file or a folder, is read from."""
    return model_files(path) if path.is_dir() else [path]


def is_checkpoint(path: Path) -> bool:
    """Whether a file, or what a folder is read from, begins as a checkpoint does; sound or not."""
    files = files_of(path)
    try:
        return bool(files) and all(file.name.endswith(_INDEXES) or kind_of(file) for file in files)
    except CheckpointError:
        return False


def why_none(path: Path) -> str:
    """Why a file that lies where a checkpoint would is none, in words; "" where it is one, or is no such thing."""
    if path.is_dir() or not path.name.endswith((*ENDINGS, *_PICKLES)) or is_checkpoint(path):
        return ""
    try:
        with OpenFile(path) as file:
            start = file.beginning(_START)
    except CheckpointError as error:
        return str(error).removeprefix(f"{path}: ")
    if not start:
        return "is empty"
    if start[0] == _PROTOCOL and len(start) > 1 and start[1] <= _MOST_PROTOCOL:
        return (
            "is a pickle that PyTorch did not write: a pickle runs code where it is opened, so it is not; write its "
            "tensors with torch.save, or as safetensors or npz"
        )
    return ""


def contents(path: Path) -> Contents:
    """What a checkpoint, a file or a folder, holds. Read once while its files stay as they are. Raises
    CheckpointError."""
    files = files_of(path)
    if not files:
        raise CheckpointError(f"{path}: holds no checkpoint that is read: safetensors, PyTorch, npz or llm.c's .bin")
    return _read(tuple((str(file), *_print(file)) for file in files))


def _print(path: Path) -> tuple[int, int, int, int]:
    """What tells a file from another that took its place."""
    try:
        found = os.lstat(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=_MOST_KEPT)
def _read(files: tuple[tuple[str, int, int, int, int], ...]) -> Contents:
    paths = [Path(name) for name, *_ in files]
    if paths[0].name.endswith(_INDEXES):
        return read_index(paths[0], read_file)
    _refuse_missing_shards(paths)
    read = [read_file(path) for path in paths]
    return read[0] if len(read) == 1 else joined(read, str(paths[0].parent))


def _refuse_missing_shards(paths: list[Path]) -> None:
    """Raises CheckpointError where names say "1 of 3" and there are fewer."""
    if (said := _SHARD.search(paths[0].name)) and int(said[1]) != len(paths):
        raise CheckpointError(f"{paths[0].parent}: has {len(paths):,} of {int(said[1]):,} files of its model")
