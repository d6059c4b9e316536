"""What a log is called: by its file, or by its folder where every such file is called so."""

from __future__ import annotations

import re
from pathlib import Path

_ANY = re.compile(
    r"(trainer_(state|log)|metrics|history|log|logs|main|stdout|stderr|output|out|train|training|train_log|console|results|run|nohup|"
    r"wandb-(history|summary|events)|events\.out\.tfevents.*|version_\d+|checkpoint-\d+|tb|tensorboard|runs|summary|files)",
    re.IGNORECASE,
)
_ROTATED = re.compile(r"(.+\.(?:log|out|txt|jsonl|json|csv|tsv))\.\d{1,3}")
_ENDS = (".gz", ".jsonl", ".json", ".csv", ".tsv", ".txt", ".log", ".out", ".parquet", ".tfevents")


def bare(path: Path) -> str:
    """The file's name without the endings that tell its kind, and without the number of one that was rotated away."""
    name = path.name
    while (end := Path(name).suffix.lower()) in _ENDS and len(name) > len(end):
        name = name[: -len(end)]
    rotated = _ROTATED.fullmatch(name)
    return bare(Path(rotated[1])) if rotated else name


def log_name(path: Path) -> str:
    """`bare`, with the folder's name before it, or in its place, where the name alone tells nothing."""
    name, folder = bare(path), path.absolute().parent
    for _ in range(3):
        if not _ANY.fullmatch(name) or not folder.name:
            return name
        if re.fullmatch(r"version_\d+|checkpoint-\d+", name):
            parent = folder.parent if _ANY.fullmatch(folder.name) else folder
            return f"{parent.name}-{name}"
        name, folder = folder.name, folder.parent
    return name
