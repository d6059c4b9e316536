"""Movies of a run's inside: the picture of each snapshot, with axes and a scale that hold for all of them."""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.snapshot_errors import SnapshotError
from strobe.charts.axes import label_number
from strobe.charts.movie_frames import Words
from strobe.plot.movie_subjects import SUBJECTS, Snapshots, Subject
from strobe.views.metric_units import units_of
from strobe.views.run_view import RunView, literal

if TYPE_CHECKING:
    from PIL.Image import Image

LOOK: Final = 4
"""Version of what a frame looks like: frames kept by another are not taken."""
_NAMED: Final = 5
"""Steps that are left out and named; the others are counted."""


@dataclass(frozen=True)
class MovieRequest:
    """What a movie is to show. `tensor` is without its section; None means the token embedding or the matrix into the
    first MLP."""

    subject: str
    tensor: str | None = None
    layer: int = 0
    metric: str = "val_loss"
    """Its value, the last one at or before the step, is written on each frame."""
    size: int = 480
    """Width in pixels."""


class Movie:
    """The frames of one run: `draw(step)` for each of `steps`."""

    def __init__(self, view: RunView, request: MovieRequest, steps: Sequence[int] | None = None) -> None:
        """`steps` picks among the snapshots; None takes all. Looks once at every snapshot for the common scale, and
        leaves out those that are damaged. Raises StrobeError where this cannot be drawn."""
        if request.subject not in SUBJECTS:
            raise StrobeError(f"there is no movie of {request.subject!r:.60}; there are {', '.join(SUBJECTS)}")
        stored = view.tables.run(view.run)
        if stored.folder is None:
            raise StrobeError(f"run {stored.id!r} has no snapshots on this machine; its tables are here")
        self.run_id, self.request = stored.id, request
        run = stored.recording()
        paths = run.current()
        self.left_out = _damaged(run, paths, chosen := _chosen(paths, steps))
        """What is wrong with each chosen snapshot that cannot be drawn, by its step."""
        self.steps = [step for step in chosen if step not in self.left_out]
        if not self.steps:
            raise StrobeError(next(iter(self.left_out.values())))
        self._snapshots = Snapshots(view, run, paths, self.steps)
        self._metric = _metric(view, request.metric)
        self._subject: Subject = SUBJECTS[request.subject](self._snapshots, request.tensor, request.layer)

    @property
    def reach(self) -> float:
        """The scale, or the axes, go from -reach to reach; 1 for attention, whose weights do from 0 to 1."""
        return self._subject.reach

    @property
    def title(self) -> str:
        """What the movie shows, and what not, in words."""
        return ", ".join(part for part in (f"{self.run_id}: {self._subject.name}", self.without) if part)

    @property
    def without(self) -> str:
        """Which snapshots are left out, in words; empty where none is."""
        count = len(self.left_out)
        named = ", ".join(f"{step:,}" for step in list(self.left_out)[:_NAMED]) + (", ..." if count > _NAMED else "")
        return f"without {count:,} damaged snapshot{'s' if count > 1 else ''} (step {named})" if count else ""

    @property
    def fingerprint(self) -> str:
        """Of everything that a frame depends on: kept frames of another movie are not taken for this one's."""
        crcs = [self._snapshots.at(step).payload_crc for step in self.steps]
        what = [LOOK, self.run_id, self._subject.tensor, vars(self.request), self.reach, self.steps, crcs]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]

    def draw(self, step: int) -> Image:
        """The picture of one step."""
        words = Words(f"{self.run_id}   step {step:,}{self._metric.words(step)}", self._subject.about)
        return self._subject.frame(step, words, self.request.size)


def _chosen(paths: Mapping[int, Path], steps: Sequence[int] | None) -> list[int]:
    recorded = list(paths)
    chosen = recorded if steps is None else [step for step in steps if step in paths]
    if not chosen:
        around = f"from {recorded[0]:,} to {recorded[-1]:,}" if recorded else "none at all"
        raise StrobeError(f"no snapshot to draw at those steps; the run has {len(recorded):,}: {around}")
    return chosen


def _damaged(run: Run, paths: Mapping[int, Path], steps: Sequence[int]) -> dict[int, str]:
    found = {}
    for step in steps:
        try:
            run.sound(paths[step])
        except (SnapshotError, OSError) as error:
            found[step] = str(error)
    return found


@dataclass(frozen=True)
class _Metric:
    """The values of a metric at ascending steps."""

    name: str
    unit: str
    steps: Sequence[int]
    values: Sequence[float]

    def words(self, step: int) -> str:
        """The value at `step`, or the last one before it; nothing where there is none yet."""
        k = bisect.bisect_right(self.steps, step) - 1
        if k < 0:
            return ""
        when = f" (at {self.steps[k]:,})" if self.steps[k] != step else ""
        return f"   {self.name} {label_number(self.values[k])} {self.unit}".rstrip() + when


def _metric(view: RunView, name: str) -> _Metric:
    """Raises StrobeError where the run has none of this name, unless nobody asked for it."""
    own = f"run = {literal(view.run)} AND name = {literal(name)}"
    rows = view.tables.ask(f"SELECT step, value FROM scalars WHERE {own} ORDER BY step").table
    # Of two values at one step the last counts.
    values = dict(zip(rows["step"].to_pylist(), rows["value"].to_pylist(), strict=True))
    if not values and name != MovieRequest.metric:
        raise StrobeError(f"run {view.run!r} has no metric {name!r:.60}; `strobe show` lists what it has")
    (unit, *_), values_at = units_of(view.tables, [view.run], [name]).runs or [""], list(values.values())
    return _Metric(name, unit, list(values), values_at)
