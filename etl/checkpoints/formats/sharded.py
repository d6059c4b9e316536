"""Checkpoints in several files, with an index that says which tensor lies in which."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from etl.checkpoints.formats.contents import Checked, CheckpointError, Contents, OpenFile, Stored
from etl.run import strict_json
from etl.run.pieces import FileReader


def read_index(path: Path, read_file: Callable[[Path], Contents]) -> Contents:
    """All files that an index (`weight_map`: tensor -> file) names, as one checkpoint. Raises CheckpointError."""
    where = _weight_map(path)
    shards = {name: read_file(path.parent / name) for name in sorted(set(where.values()))}
    for tensor, name in where.items():
        if tensor not in shards[name].tensors and tensor not in shards[name].left_out:
            raise CheckpointError(f"{path}: tensor {tensor!r:.80} is said to lie in {name}, and does not")
    return joined(list(shards.values()), str(path))


def _weight_map(path: Path) -> dict[str, str]:
    with OpenFile(path) as file:
        data = file.beginning(strict_json.MAX_BYTES + 1)
    try:
        where = strict_json.load(data).get("weight_map")
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None
    if not isinstance(where, dict) or not where:
        raise CheckpointError(f"{path}: has no weight_map")
    for name in where.values():
        if not isinstance(name, str) or os.path.basename(name) != name or name in ("", ".", ".."):  # noqa: PTH119
            raise CheckpointError(f"{path}: names {name!r:.80}, which is no file beside it")
    return where


def joined(shards: list[Contents], where: str) -> Contents:
    """Several files as one checkpoint. Raises CheckpointError where a tensor stands in two of them."""
    files: list[FileReader] = []
    tensors: dict[str, Stored] = {}
    facts: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    checks: list[Checked] = []
    for shard in shards:
        for name, stored in shard.tensors.items():
            if name in tensors:
                raise CheckpointError(f"{where}: tensor {name!r:.80} stands in two files")
            tensors[name] = replace(stored, file=stored.file + len(files))
        checks += [check._replace(file=check.file + len(files)) for check in shard.checks]
        files += shard.files
        facts |= dict(shard.facts)
        left_out |= dict(shard.left_out)
    return Contents(shards[0].kind, files, tensors, facts, left_out, checks)
