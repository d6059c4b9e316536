"""The door through which every kind of input comes into the store: a `Source` finds recordings, each becomes a run.

A source is one file in `etl/ingest/sources/` with a `SOURCE`; nothing else names it. What it needs beyond the
packages of `etl` it imports inside its functions, so that asking all sources whether they know a path stays cheap.

The rules that tests/etl/ingest/test_source_contract.py holds every source to:
- It recognises what it reads by content, never by a name alone, and leaves everything else to others.
- A reading continues from the state that the one before gave (`Scalars.resume_from`), which the run's pointer keeps:
  rows are given once, whether they are read in one go or while the recording grows.
- What cannot be read costs only itself: each line or file that is left out is a `Loss`, with its reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import pyarrow as pa

from etl.ingest.loss_unit import unit_by_settings
from etl.ingest.mapping import Given
from etl.run.attempts import Attempt
from etl.run.names import run_id
from etl.store.schema import part_schema

State = Mapping[str, Any]
"""What a source remembers of a reading: plain JSON, kept in the run's pointer. Empty: nothing was read yet."""
Key = tuple[int, int]
"""(attempt, step)."""

SCALAR_ROWS, TENSOR_ROWS, SNAPSHOT_ROWS = map(part_schema, ("scalars", "tensors", "snapshots"))

Item = TypeVar("Item")
Result = TypeVar("Result")
Spread = Callable[[Callable[[Sequence[Item]], Sequence[Result]], Sequence[Item]], Iterator[Result]]
"""Applies a picklable function to stretches of a list, on as many workers as there are; results come in order."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that was left out: the file, why, and the line (from 1) or byte where it stands, if that is known."""

    file: str
    reason: str
    line: int | None = None
    byte: int | None = None

    @property
    def where(self) -> str:
        """The file, with the place in it."""
        if self.line is not None:
            return f"{self.file} line {self.line:,}"
        return self.file if self.byte is None else f"{self.file} byte {self.byte:,}"


@dataclass(frozen=True)
class Scalars:
    """The rows of the log since a state: columns SCALAR_ROWS.

    Of two rows for one (attempt, step, name) the later counts; the other has attempt -1 (`scalar_table` sees to it).
    `torn` is how many bytes of a last line without its end were left for the next reading. `whole` says that these
    are all the rows there are, since the log was replaced: they then stand in place of the stored ones.
    """

    rows: pa.Table
    resume_from: State
    lost: Sequence[Loss] = ()
    torn: int = 0
    whole: bool = False


@dataclass(frozen=True)
class Snapshots:
    """What is new among a recording's snapshots.

    `listing` is the whole table `snapshots` as it now is. `tensors` are the rows of the snapshots read now, and stand
    in place of the stored rows of `replaced`. `scalars` are values that a snapshot holds: they count for the names
    that the log does not have at their (attempt, step). `added` counts the snapshots that are new. `lost` is all that
    is left out now beside the log of metrics, also what was so before: snapshots, and lines of the attempts.
    """

    listing: pa.Table
    tensors: pa.Table
    scalars: pa.Table
    replaced: frozenset[Key] = frozenset()
    added: int = 0
    lost: Sequence[Loss] = ()


@dataclass(frozen=True)
class About:
    """What a recording says of itself: columns of `runs`, None where it does not. `config` becomes its JSON."""

    name: str
    task: str | None = None
    created_at: float | None = None
    n_params: int | None = None
    n_layer: int | None = None
    n_head: int | None = None
    n_embd: int | None = None
    vocab_size: int | None = None
    tokens_per_step: int | None = None
    device: str | None = None
    peak_flops: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    snapshots: Path | None = None
    """The folder that `Snapshots.listing` names files of."""


class Recording(ABC):
    """One run as one kind of input tells it; it may lie in several files. Made without reading more than its kind.

    `source` is the column `runs.source`, and `path` what a person would call it. Every method but the first two
    may be left as it is: a log of scalars has no snapshots, one attempt, and nothing to say of itself.
    Any method raises StrobeError when the recording cannot be read at all.
    """

    source: str

    def __init__(self, path: Path) -> None:
        self.path = path

    run_key = ""
    """Tells the runs of one file apart, where it holds several."""

    @property
    def said(self) -> str:
        """In words, which columns were taken for what, where that was guessed or told."""
        return ""

    def holds(self, file: Path) -> bool:
        """Whether what lies in the folder that it is belongs to it: by default all of it. Asked of nothing else."""
        return self.path in file.parents

    def takes_in(self, other: Recording) -> bool:  # noqa: ARG002
        """Whether another recording of the same path is a part of this one."""
        return False

    @abstractmethod
    def resumes(self, state: State) -> bool:
        """Whether `state` came from reading this very recording, wherever it lay then and however it grew since."""

    @abstractmethod
    def scalars(self, since: State) -> Scalars:
        """The rows after those that led to `since`."""

    @property
    def run_id(self) -> str:
        """The name that the run would have; one that another run took gets a number."""
        return run_id(self.path.stem)

    def snapshots(self, stored: pa.Table, spread: Spread[Any, Any]) -> Snapshots | None:  # noqa: ARG002
        """What is new beside the rows of `snapshots` that the store has; None for a kind without snapshots."""
        return None

    def attempts(self) -> Sequence[Attempt]:
        """Every start of the training, with its cuts."""
        return (Attempt(0, 0),)

    def about(self) -> About:
        return About(self.path.stem)

    @property
    def loss_unit(self) -> str | None:
        """What train_loss and val_loss are measured in; None where that is not known."""
        return unit_by_settings(self.about().config)

    def metric_names(self) -> Mapping[str, str]:
        """Of metrics that this run calls otherwise than usual: own name -> the name to store it under."""
        return {}


class Source(Protocol):
    """One kind of input."""

    def find(self, path: Path) -> Sequence[Recording]:
        """The recordings of this kind that `path` means: a file, or a folder and what lies in it."""


@runtime_checkable
class PointedSource(Source, Protocol):
    """A source that takes a file for a recording only where a person gives that very file."""

    def pointed_at(self, path: Path) -> Sequence[Recording]:
        """The recordings that a path which a person gave means."""


@runtime_checkable
class TableSource(Source, Protocol):
    """A source that takes any table of its kind, and so is asked where no other knows a file."""

    def fields(self, path: Path) -> Sequence[str]:
        """The columns or keys of a table; none for a file that is no such table."""

    def told(self, path: Path, given: Given) -> Sequence[Recording]:
        """The table in a file, read as a person says; none where it lacks the fields that were given."""
