"""Movies of a run's inside: the picture of each snapshot, with axes and a scale that hold for all of them."""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etl.errors import StrobeError
from etl.run.folder import Run
from strobe.analysis.geometry import frequency_round
from strobe.analysis.projection import principal_axes, project
from strobe.charts import movie_frames
from strobe.charts.axes import number
from strobe.charts.movie_frames import Words
from strobe.charts.tokens import position_names, token_name
from strobe.views.binning import bin_size, bin_words, binned

if TYPE_CHECKING:
    from PIL.Image import Image

    from etl.run.snapshot import Snapshot
    from etl.store.catalogue import Catalogue

SUBJECTS: Final = ("attention", "embedding", "weights")
MOST_ROWS: Final = 2048
FRAMES: Final = 4
"""Version of what a frame looks like: frames kept by another are not taken."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Wanted:
    """What a movie is to show. `tensor` is without its section; None means wte or fcw."""

    subject: str
    tensor: str | None = None
    layer: int = 0
    metric: str = "val_loss"
    """Its value, the last one at or before the step, is written on each frame."""
    size: int = 480
    """Width in pixels."""


class Movie:
    """The frames of one run: `draw(step)` for each of `steps`."""

    def __init__(self, catalogue: Catalogue, run: str, wanted: Wanted, steps: Sequence[int] | None = None) -> None:
        """`steps` picks among the snapshots; None takes all. Looks once at every snapshot for the common scale.
        Raises StrobeError where this cannot be drawn."""
        if wanted.subject not in SUBJECTS:
            raise StrobeError(f"there is no movie of {wanted.subject!r:.60}; there are {', '.join(SUBJECTS)}")
        stored = catalogue.run(run)
        if stored.folder is None:
            raise StrobeError(f"run {stored.id!r} has no snapshots on this machine; its tables are here")
        self.run_id, self.wanted, self._run = stored.id, wanted, Run(stored.folder)
        self._paths = self._run.current()
        self.steps = self._chosen(steps)
        default = {"attention": "attention/att", "embedding": "params/wte", "weights": "params/fcw"}[wanted.subject]
        own = wanted.tensor if wanted.subject != "attention" else None
        self.tensor = f"params/{own}" if own else default
        rows = catalogue.query(
            "SELECT step, value FROM scalars WHERE run = $1 AND name = $2 ORDER BY step", [stored.id, wanted.metric]
        )
        self._metric = dict(zip(rows["step"].to_pylist(), rows["value"].to_pylist(), strict=True))
        self._measured = list(self._metric)
        if not self._measured and wanted.metric != Wanted.metric:
            raise StrobeError(
                f"run {stored.id!r} has no metric {wanted.metric!r:.60}; `strobe show` lists what it has"
            )
        units = catalogue.query(
            "SELECT unit FROM metrics WHERE run = $1 AND name = $2 AND unit IS NOT NULL", [stored.id, wanted.metric]
        )
        self._unit = units["unit"][0].as_py() if units.num_rows else ""
        self._shape = self._check()
        self._axes: Array | None = None
        self._reach, self._turn = 1.0, 1
        self._measure()

    @property
    def title(self) -> str:
        """What the movie shows, in words."""
        layered = self.wanted.subject == "weights" and len(self._shape) == 3
        layer = f", layer {self.wanted.layer}" if layered else ""
        return f"{self.run_id}: {self.tensor.partition('/')[2]}{layer}"

    @property
    def fingerprint(self) -> str:
        """Of everything that a frame depends on: kept frames of another movie are not taken for this one's."""
        crcs = [self._at(step).payload_crc for step in self.steps]
        what = [FRAMES, self.run_id, self.tensor, vars(self.wanted), self._reach, self.steps, crcs]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]

    def _chosen(self, steps: Sequence[int] | None) -> list[int]:
        there = list(self._paths)
        wanted = there if steps is None else [step for step in steps if step in self._paths]
        if not wanted:
            around = f"from {there[0]:,} to {there[-1]:,}" if there else "none at all"
            raise StrobeError(f"no snapshot to draw at those steps; the run has {len(there):,}: {around}")
        return wanted

    def _check(self) -> list[int]:
        names = {tensor["name"] for tensor in self._run.manifest.raw["snapshot"]["tensors"]}
        if self.tensor not in names:
            there = ", ".join(sorted(name.partition("/")[2] for name in names if name.startswith("params/"))[:12])
            raise StrobeError(f"the snapshots have no {self.tensor}; there are {there or 'no parameters'}")
        shape = self._at(self.steps[0]).spec(self.tensor)["shape"]
        fitting = {"attention": (5,), "embedding": (2,), "weights": (2, 3)}[self.wanted.subject]
        if len(shape) not in fitting:
            raise StrobeError(f"{self.tensor} has shape {shape}: it cannot be drawn as {self.wanted.subject}")
        if self.wanted.subject == "weights" and len(shape) == 3 and self.wanted.layer >= shape[0]:
            raise StrobeError(f"{self.tensor} has {shape[0]} layers; --layer counts from 0")
        if self.wanted.subject == "weights" and len(shape) == 2 and self.wanted.layer:
            raise StrobeError(f"{self.tensor} has no layers, so no layer {self.wanted.layer}; leave --layer out")
        return list(shape)

    def _at(self, step: int) -> Snapshot:
        return self._run.open(self._paths[step])

    def _measure(self) -> None:
        if self.wanted.subject == "embedding":
            try:
                self._axes = principal_axes(self._values(self.steps[-1]))
            except ValueError as error:
                raise StrobeError(f"{self.tensor} at step {self.steps[-1]:,} has no axes: {error}") from None
            task = self._run.manifest.task
            p = task.get("modulus") if task.get("kind") == "modular_addition" else None
            if isinstance(p, int) and self.tensor == "params/wte":
                self._turn = frequency_round(project(self._values(self.steps[-1]), self._axes), p)
            seen = [np.abs(project(self._values(step), self._axes)) for step in self.steps]
            self._reach = float(np.nanmax([np.nanmax(part, initial=0) for part in seen])) * 1.05 or 1.0
        elif self.wanted.subject == "weights":
            finite = [np.abs(values[np.isfinite(values)]) for values in map(self._values, self.steps)]
            self._reach = float(max(np.quantile(part, 0.999) if part.size else 0 for part in finite)) or 1.0

    def _values(self, step: int) -> Array:
        whole = np.asarray(self._at(step).values(self.tensor), np.float32)
        if self.wanted.subject == "attention":
            return np.asarray(whole.mean(axis=1))
        if self.wanted.subject == "weights":
            return binned(whole[self.wanted.layer] if whole.ndim == 3 else whole)[0]
        return whole[:MOST_ROWS]

    @property
    def about(self) -> str:
        """What each frame shows, in a line."""
        name = self.tensor.partition("/")[2]
        if self.wanted.subject == "attention":
            return f"{name}: mean over {self._shape[1]:,} probe sequences, queries down, keys across"
        if self.wanted.subject == "embedding":
            shown = min(self._shape[0], MOST_ROWS)
            cut = f", the first {shown:,} of {self._shape[0]:,}" if shown < self._shape[0] else ""
            return f"{name} on the principal axes of step {self.steps[-1]:,}{cut}"
        rows, columns = self._shape[-2:]
        which = f"{name}.{self.wanted.layer}" if len(self._shape) == 3 else name
        return f"{which}, {rows:,} × {columns:,}. {bin_words(bin_size((rows, columns)))}".strip()

    def draw(self, step: int) -> Image:
        """The picture of one step."""
        words, size, values = Words(self._heading(step), self.about), self.wanted.size, self._values(step)
        if self.wanted.subject == "attention":
            names = position_names(self._run.manifest.task, self._shape[-1])
            return movie_frames.attention_frame(values, words, size, names)
        if self._axes is None:
            rows, columns = self._shape[-2:]
            return movie_frames.matrix_frame(values, self._reach, words, size, (rows, columns))
        task = self._run.manifest.task
        labels = [token_name(task, k) if self.tensor == "params/wte" else str(k) for k in range(len(values))]
        return movie_frames.embedding_frame(project(values, self._axes), self._reach, labels, words, size, self._turn)

    def _heading(self, step: int) -> str:
        words = f"{self.run_id}   step {step:,}"
        at = bisect.bisect_right(self._measured, step) - 1
        if at < 0:
            return words
        found = self._measured[at]
        when = f" (at {found:,})" if found != step else ""
        return f"{words}   {self.wanted.metric} {number(self._metric[found])} {self._unit}".rstrip() + when
