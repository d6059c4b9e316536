"""What a person says of which steps and which tensors: numbers, schedules, globs and predicates, as functions."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from etl.run.schedule import ScheduleError, parse_schedule
from strobe.record.errors import RecorderError

Every = int | str | Callable[[int], Any]
Names = str | Iterable[str] | Callable[[str], Any] | None


def due_at(every: Every) -> Callable[[int], bool]:
    """Whether a snapshot is due at a step: every so many of them, at those of a schedule ("0-1000/100,5000"), or
    where a function of the step says so. Raises RecorderError for anything else."""
    if callable(every):
        asked = every
        return lambda step: bool(asked(step))
    if isinstance(every, str):
        try:
            steps = frozenset(parse_schedule(every))
        except ScheduleError as error:
            raise RecorderError(f"every: {error}") from None
        return lambda step: step in steps
    if not isinstance(every, int) or isinstance(every, bool) or every < 1:
        raise RecorderError(f"every is {every!r:.60}; give a number of steps, a schedule, or a function of the step")
    return lambda step: step % every == 0


def chosen(include: Names, exclude: Names) -> Callable[[str], bool]:
    """Whether a tensor of a name is recorded: where `include` has it, if it is given, and `exclude` has not."""
    wanted, unwanted = _any_of(include, "include", True), _any_of(exclude, "exclude", False)
    return lambda name: wanted(name) and not unwanted(name)


def _any_of(names: Names, what: str, otherwise: bool) -> Callable[[str], bool]:
    if names is None:
        return lambda _: otherwise
    if callable(names):
        asked = names
        return lambda name: bool(asked(name))
    patterns = [names] if isinstance(names, str) else list(names)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise RecorderError(f"{what} is {names!r:.60}; give a glob, a list of them, or a function of the name")
    return lambda name: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def statistics_of(keep: str | Mapping[str, str], sections: Collection[str]) -> frozenset[str]:
    """The sections of which statistics alone are kept. Raises RecorderError for other words than full and stats."""
    each = dict.fromkeys(sections, keep) if isinstance(keep, str) else dict(keep)
    for section, how in each.items():
        if section not in sections or how not in ("full", "stats"):
            raise RecorderError(f'keep has {section!r:.40}: {how!r:.40}; give "full" or "stats" for a section of log')
    return frozenset(section for section, how in each.items() if how == "stats")
