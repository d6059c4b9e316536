"""Which files or folders of a folder are the checkpoints of one run, and which step each is of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from etl.checkpoints.formats.contents import CheckpointError, NoTensorsError
from etl.checkpoints.formats.opening import ENDINGS, contents, is_checkpoint, model_files, why_none
from etl.run.file_names import MANIFEST
from etl.run.journal import MAX_STEP

_WORDS: Final = tuple(
    re.compile(rf"(?:^|[^a-z]|global)(?:{words})[-_=. ]?([0-9]+)", re.IGNORECASE)
    for words in ("step", "iter|iteration|it|update", "checkpoint|ckpt|model|batch|epoch|ep")
)
"""What stands before the number that is a step, the surest first."""
_EPOCH: Final = re.compile(r"(?:^|[^a-z])ep(?:och)?[-_=. ]?[0-9]", re.IGNORECASE)
_SHARD: Final = re.compile(r"[0-9]+-of-[0-9]+")
_ALONE: Final = re.compile(r"(pytorch_model|model|ckpt|checkpoint|consolidated|last|latest|best|final|weights)\b")
"""How the file of a checkpoint begins that lies in a folder without others: a lone array is no model."""
_DIGITS: Final = re.compile(r"[0-9]+")
_MOST_GROUPS: Final = 64
"""Kinds of names in one folder among which damaged ones are named."""


@dataclass(frozen=True)
class Steps:
    """The checkpoints of one run, by step. `unit` is "epoch" where names count epochs; `unknown` where the only
    checkpoint says nothing of its step."""

    paths: dict[int, Path] = field(default_factory=dict)
    unit: str = "step"
    unknown: bool = False
    left_out: dict[str, str] = field(default_factory=dict)
    """Names beside them that were left out, and why."""


def step_of(name: str) -> int | None:
    """The step that a name tells; None for a name without a number, or with one that is no step."""
    stem = stem_of(name)
    for words in _WORDS:
        if match := words.search(stem):
            return _in_range(match[1])
    numbers = _DIGITS.findall(stem)
    return _in_range(numbers[-1]) if numbers else None


def _is_named(name: str) -> bool:
    """Whether the number in a name is a step even where no other name counts on beside it."""
    stem = stem_of(name)
    return stem.isdigit() or any(words.search(stem) for words in _WORDS)


def stem_of(name: str) -> str:
    """A name without the ending of a model's file."""
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)


def _in_range(digits: str) -> int | None:
    return int(digits) if len(digits) < 20 and int(digits) <= MAX_STEP else None


def steps_of(path: Path) -> Steps:
    """The checkpoints that a person means by `path`: those of a folder, or the one that a file is. A number in a
    file's name is its step where a word says so, or where there is nothing else; what the file says of itself comes
    first."""
    if path.is_dir() or not is_checkpoint(path):
        return steps_in(path)
    return _alone(path, {})


def _alone(path: Path, left_out: dict[str, str]) -> Steps:
    step = _said(path)
    if step is None:
        step = step_of(path.name) if _is_named(path.name) else None
    return Steps({step or 0: path}, unknown=step is None, left_out=left_out)


def steps_in(folder: Path) -> Steps:
    """The checkpoints that lie in a folder, each a file or a folder, or the one that the folder itself is.

    Where files of several kinds of names lie there, those count that are most and can be read; of equals those whose
    name says "model". Nothing of a folder that holds a manifest.json: that is a run of ours.
    """
    if not folder.is_dir() or os.path.lexists(folder / MANIFEST):
        return Steps()
    groups = list(_groups(folder))
    holds = (group for group in groups if _looked_at(group[1])[0])
    damaged = (group for group in groups if _looked_at(group[1])[1])
    name, chosen = next(holds, None) or next(damaged, ("", []))
    if not chosen:
        return _single(folder)
    beside = [_looked_at(group)[1] for _, group in groups[:_MOST_GROUPS] if group is not chosen]
    left_out = {path.name: why for each in beside for path, why in each.items()}
    if len(chosen) == 1 and not chosen[0].is_dir() and not _is_named(name):
        return _alone(chosen[0], left_out)
    return _numbered(chosen, "epoch" if _counts_epochs(name) else "step", left_out)


def _groups(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Entries whose names differ in their numbers alone, the largest group first: (a name, entries)."""
    groups: dict[str, list[Path]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            kept = entry.is_dir(follow_symlinks=False) or entry.name.endswith(ENDINGS)
            if kept and not _SHARD.search(entry.name) and step_of(entry.name) is not None:
                key = f"{_DIGITS.sub('#', entry.name)}{'/' if entry.is_dir() else ''}"
                groups.setdefault(key, []).append(Path(entry.path))
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), "model" not in item[0], item[0]))
    for _, group in ordered:
        yield group[0].name, sorted(group, key=lambda path: (step_of(path.name) or 0, path.name))


def _looked_at(group: list[Path]) -> tuple[bool, dict[Path, str]]:
    """Of entries, the last and the first: whether they hold models, and else why they cannot be read. Sound ones
    without a model (an optimizer's state) hold none; where neither tells, those between them may."""
    damaged = {}
    for path in dict.fromkeys((group[-1], group[0])):
        if not is_checkpoint(path):
            continue
        try:
            return bool(contents(path).tensors), {}
        except NoTensorsError:
            return False, {}
        except CheckpointError as error:
            damaged[path] = str(error).removeprefix(f"{path}: ")
    return any(is_checkpoint(path) for path in group[1:-1]), damaged


def _counts_epochs(name: str) -> bool:
    return _EPOCH.search(name) is not None and _WORDS[0].search(name) is None and _WORDS[1].search(name) is None


def _numbered(group: list[Path], unit: str, left_out: dict[str, str]) -> Steps:
    paths: dict[int, Path] = {}
    for path in group:
        step = step_of(path.name)
        if step is None:
            continue
        if not is_checkpoint(path):
            if why := why_none(path):
                left_out[path.name] = why
        elif step in paths:
            left_out[path.name] = f"is of step {step:,} as {paths[step].name} is"
        else:
            paths[step] = path
    return Steps(paths, unit, left_out=left_out)


def _single(folder: Path) -> Steps:
    """The folder as one checkpoint, of the step that it says: nanoGPT's `iter_num`, and its like."""
    files = model_files(folder)
    if not files or not all(_ALONE.match(file.name) for file in files) or not is_checkpoint(folder):
        return Steps()
    step = _said(folder)
    return Steps({step or 0: folder}, unknown=step is None)


def _said(path: Path) -> int | None:
    """The step that a checkpoint says it is of."""
    try:
        facts = contents(path).facts
    except CheckpointError:
        return None
    said = (facts.get(key) for key in ("iter_num", "global_step", "step", "iteration", "steps", "epoch"))
    return next((value for value in said if type(value) is int and 0 <= value <= MAX_STEP), None)
