"""One job: the commands that it runs one after another, and how far it is. A JSON file holds it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args

from etl.errors import StrobeError
from strobe.jobs import processes

State = Literal["queued", "running", "finished", "failed", "cancelled", "interrupted"]
UNKNOWN_END = "the process that ran it was killed; how it ended is not known"


class JobError(StrobeError):
    """A job that is not there, or that cannot be changed as asked."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process: its number, and the moment of its birth that tells it from later ones (`processes.birth`)."""

    pid: int
    born: str | None

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has this number now."""
        return cls(pid, processes.birth(pid))

    @property
    def runs(self) -> bool:
        """Whether it is still running."""
        return processes.runs(self.pid, self.born)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`steps` are arguments of `strobe`; `at` is the index of the step in progress. Times are Unix seconds."""

    id: int
    steps: list[list[str]]
    cwd: str
    folder: str | None = None
    """Of the run that it trains, None for other jobs."""
    state: State = "queued"
    at: int = 0
    queued: float
    started: float | None = None
    ended: float | None = None
    cancel: bool = False
    """Whether somebody asked for its end."""
    code: int | None = None
    """Exit code of the step that failed."""
    reason: str | None = None
    runner: Process | None = None
    child: Process | None = None

    @property
    def title(self) -> str:
        """Its first command, as it is typed."""
        return " ".join(["strobe", *self.steps[0]])

    def as_found(self) -> Self:
        """The job as it is: interrupted, whatever the file says, where its runner and its own process are gone."""
        if self.state != "running" or any(process and process.runs for process in (self.runner, self.child)):
            return self
        return replace(self, state="interrupted", reason=UNKNOWN_END)

    def encode(self) -> bytes:
        """As its file has it."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises JobError where the bytes are no job."""
        try:
            said = json.loads(data)
            known = {name: said[name] for name in (field.name for field in fields(cls)) if name in said}
            for name in ("runner", "child"):
                known[name] = Process(int(said[name]["pid"]), said[name]["born"]) if said.get(name) else None
            job = cls(**known)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise JobError(f"no job: {error}") from None
        for name, is_right in _RIGHT.items():
            if not is_right(getattr(job, name)):
                raise JobError(f"no job: its {name} is amiss")
        if not _are_steps(job.steps, job.at):
            raise JobError("no job: its steps are amiss")
        return job


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


_RIGHT: dict[str, Callable[[Any], bool]] = {
    "state": lambda value: isinstance(value, str) and value in get_args(State),
    "id": lambda value: type(value) is int and value > 0,
    "cwd": _is_text,
    "folder": lambda value: value is None or _is_text(value),
    "queued": _is_time,
    "started": lambda value: value is None or _is_time(value),
    "ended": lambda value: value is None or _is_time(value),
    "cancel": lambda value: type(value) is bool,
    "code": lambda value: value is None or type(value) is int,
    "reason": lambda value: value is None or _is_text(value),
}
"""What each word of a job file has to be: somebody may have changed it by hand."""


def _are_steps(steps: object, at: object) -> bool:
    return (
        isinstance(steps, list)
        and all(isinstance(step, list) and step and all(_is_text(word) for word in step) for step in steps)
        and type(at) is int
        and 0 <= at < len(steps)
    )
