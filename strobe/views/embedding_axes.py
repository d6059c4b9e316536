"""An embedding along a few axes: principal ones, the circle of a frequency, or a map of neighbours; and how round it
lies there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from strobe.analysis import circle_chance
from strobe.analysis.fourier import basis
from strobe.analysis.geometry import frequency_round
from strobe.analysis.projection import circularity, pca_movie, principal_axes, project
from strobe.views.budget import evenly
from strobe.views.embedding import Embedding, EmbeddingFrames, Rows, token_embedding, why_none
from strobe.views.narrow import narrow_all
from strobe.views.reading import at_steps
from strobe.views.run_view import Answer, RunView
from strobe.views.tokens import colour_words

LAST: Final = "last"
JOINT: Final = "joint"
TSNE: Final = "tsne"
UMAP: Final = "umap"
FREE: Final = (LAST, JOINT, TSNE, UMAP)
"""Axes that belong to no frequency; the others are the frequency as text."""
_MOST_SIMULATED: Final = 16
"""Snapshots for which the circularity of noise is simulated; of more, evenly spaced ones."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class EmbeddingPoints:
    """The rows of an embedding along axes that all steps share. Where there is nothing to show, `steps` is empty and
    `reason` says why."""

    steps: list[int]
    points: Array
    """(steps, rows, 2 or 3), NaN for a row that has no place."""
    rows: Rows = field(default_factory=Rows)
    axes: str = LAST
    explained: Array = field(default_factory=lambda: np.zeros(0))
    """(steps,): the share of variance in the plane of the first two axes; NaN where it has no meaning."""
    circularity: Array = field(default_factory=lambda: np.zeros(0))
    """(steps,): in that plane."""
    chance: Array = field(default_factory=lambda: np.zeros((0, 2)))
    """(steps, 2): the circularity of noise, its mean and its 95% bound; NaN where not simulated."""
    reason: str = ""

    @property
    def turn(self) -> int:
        """By how many times their number residues are coloured: the frequency of the axes, or of the last picture."""
        if self.axes not in FREE:
            return int(self.axes)
        if self.rows.modulus is None or not self.rows.has_residues:
            return 1
        return frequency_round(self.points[-1].astype(np.float64), self.rows.modulus)

    @property
    def words(self) -> str:
        """What is shown along which axes and in which colours, in sentences."""
        words = axes_words(self.axes)
        if self.axes in (LAST, JOINT):
            words += ", kept for all steps"
        elif self.axes not in FREE:
            words += ": the plane of its cosine and sine, found anew at each step"
        cut = f"{self.rows.left_out} " if self.rows.left_out else ""
        colour = colour_words(self.rows.modulus, self.turn)
        return f"{cut}{words[0].upper()}{words[1:]}. Colour: {colour}."


def nothing(reason: str) -> EmbeddingPoints:
    """No points, and why."""
    return EmbeddingPoints([], np.zeros((0, 0, 2)), reason=reason)


def canvas_points(points: Array, least: float = 0.0) -> Array:
    """float16 (steps, rows, 2): what the flat panel draws of points along two or more axes, in units of the largest
    coordinate, so that none is too large or too small for float16; not in smaller units than `least`, the largest
    coordinate of what is drawn beside them."""
    flat = points[:, :, :2]
    return np.ascontiguousarray(flat / (max(reach(flat), least) or 1.0)).astype(np.float16)


def reach(points: Array) -> float:
    """The largest of the finite coordinates by its size; 0 where there is none."""
    return float(np.abs(points[np.isfinite(points)]).max(initial=0.0))


def axes_words(axes: str) -> str:
    """What `axes` are called."""
    words = {
        LAST: "principal axes of the last snapshot", JOINT: "principal axes of all snapshots together",
        TSNE: "t-SNE, each step aligned with the one before", UMAP: "UMAP of all snapshots together (aligned)",
    }  # fmt: skip
    return words.get(axes, f"circle of frequency {axes}")


def on_axes_of(shown: Embedding, last: int, step: int) -> Array:
    """float64 (rows, 2): an embedding at `step` on the two principal axes that it has at step `last`. Raises
    ValueError where it has none there, and what `Embedding.at` raises."""
    return project(shown.at(step), principal_axes(shown.at(last)))


def token_points(view: RunView) -> EmbeddingPoints:
    """The first tokens on the two principal axes of the last snapshot that has some, at every snapshot."""
    shown = token_embedding(view)
    if shown is None:
        return nothing(why_none(view, "token embedding"))
    axes: Array | None = None
    seen: dict[int, Array] = {}
    for step, values in at_steps(view, shown.affordable(view.steps, 4)[::-1], shown.of):
        if values is None:
            continue
        with contextlib.suppress(ValueError):
            axes = principal_axes(values) if axes is None else axes
            seen[step] = narrow_all(project(values, axes))
    if not seen:
        return nothing("No embedding of this run can be projected: it is damaged, not finite, or too small.")
    steps = sorted(seen)
    return EmbeddingPoints(steps, np.stack([seen[step] for step in steps]), shown.rows)


def along(frames: EmbeddingFrames, axes: str) -> EmbeddingPoints:
    """Frames along fixed principal axes, or on the cosine and sine of one frequency: (steps, rows, 3)."""
    if not frames.steps or min(frames.values.shape[1:]) < 2:
        return nothing("No snapshot of this embedding can be read, or none of it is finite.")
    p = frames.rows.modulus
    points, explained = _seen(frames.values, axes, p)
    order = _order(axes, frames.rows)
    around = np.array([_circularity(frame, order) for frame in points])
    if order is None:
        chance = _chance(points, lambda frame: circle_chance.of_cloud(_seen_rows(frame)))
    else:
        chance = _chance(frames.values, lambda frame: circle_chance.of_circles(frame[: len(order)]))
    return EmbeddingPoints(frames.steps, narrow_all(points), frames.rows, axes, explained, around, chance)


def mapped(frames: EmbeddingFrames, axes: str, places: Array) -> EmbeddingPoints:
    """Frames at the `places` (steps, rows, 2) of their map of neighbours, which explains no share of variance."""
    points = np.pad(places, ((0, 0), (0, 0), (0, 1)))
    around = np.array([_circularity(frame, None) for frame in points])
    chance = _chance(points, lambda frame: circle_chance.of_cloud(_seen_rows(frame), filled=True))
    return EmbeddingPoints(frames.steps, points, frames.rows, axes, np.full(len(points), np.nan), around, chance)


def _seen(frames: Array, axes: str, p: int | None) -> tuple[Array, Array]:
    """(steps, rows, 3) along the axes, and the share of variance in the first two."""
    if axes in (LAST, JOINT) or p is None:
        count = min(3, *frames.shape[1:])
        made = pca_movie(frames, count, -1 if axes == LAST else "joint")
        flat = pca_movie(frames, 2, -1 if axes == LAST else "joint")
        return np.pad(made.frames, ((0, 0), (0, 0), (0, 3 - count))), flat.explained
    return _circle(frames, int(axes), p)


def _circle(frames: Array, k: int, p: int) -> tuple[Array, Array]:
    """Residues on the plane that the embedding's cos and sin components of frequency k span at each step.

    The first axis is the direction of the cosine component, so the picture turns only where the model turns.
    """
    waves, residues = basis(p), frames[:, :p].astype(np.float64)
    residues = residues - residues.mean(axis=1, keepdims=True)
    plane = waves.matrix[waves.frequency == k] @ residues
    points = np.zeros((*frames.shape[:2], 3))
    explained = np.zeros(len(frames))
    for i, (rows, pair) in enumerate(zip(residues, plane, strict=True)):
        axes = np.linalg.qr(pair.T)[0]
        axes = axes * np.where(np.einsum("dk,kd->k", axes, pair) < 0, -1.0, 1.0)
        seen = rows @ axes
        points[i, :p, : seen.shape[1]] = seen
        total = (rows**2).sum()
        explained[i] = (seen**2).sum() / total if total else np.nan
    points[:, p:] = np.nan
    return points, explained


def _order(axes: str, rows: Rows) -> Array | None:
    """Each residue's place round the circle of the frequency that is looked at."""
    p = rows.modulus
    if axes in FREE or p is None or len(rows.numbers) < p:
        return None
    return np.asarray(int(axes) * np.arange(p) % p)


def _circularity(points: Array, order: Array | None) -> float:
    return circularity(points[: len(order) if order is not None else None, :2], order)


def _seen_rows(points: Array) -> Array:
    return points[:, :2]


def _chance(frames: Array, simulated: Callable[[Array], circle_chance.Chance]) -> Array:
    """(steps, 2): what noise like each frame gets, mean and bound; NaN between the steps that are simulated."""
    made = np.full((len(frames), 2), np.nan)
    for k in _simulated(len(frames)):
        made[k] = simulated(frames[k])
    return made


def _simulated(many: int) -> list[int]:
    """The places of the snapshots for which noise is simulated, of so many."""
    return evenly(range(many), _MOST_SIMULATED)


def roundness(shown: EmbeddingPoints) -> Answer:
    """Rows (step, series, value) of the circularity, of what noise gets (noise_mean, noise_bound: at the steps that
    were simulated), and of the explained variance; NULL where not defined."""
    every, simulated = range(len(shown.steps)), _simulated(len(shown.steps))
    series = {
        "circularity": (every, shown.circularity), "noise_mean": (simulated, shown.chance[:, 0]),
        "noise_bound": (simulated, shown.chance[:, 1]), "explained": (every, shown.explained),
    }  # fmt: skip
    rows = [
        {"step": shown.steps[k], "series": name, "value": float(values[k]) if np.isfinite(values[k]) else None}
        for name, (places, values) in series.items()
        for k in places
    ]
    schema = pa.schema([("step", pa.int64()), ("series", pa.string()), ("value", pa.float64())])
    return Answer("-- read from the snapshots: the embedding", pa.Table.from_pylist(rows, schema))


def roundness_words(shown: EmbeddingPoints) -> str:
    """What circularity is here, what noise gets, and what follows at the last step for which that is known."""
    order = "in the order k·x mod p" if shown.axes not in FREE else "in whatever order"
    words = f"Circularity: 1 where the points lie on one circle {order}, 0 for a line. {_noise_words(shown)}"
    many, some = len(shown.steps), len(_simulated(len(shown.steps)))
    words += f" Noise is drawn at {some:,} of {many:,} snapshots." if some < many else ""
    known = np.flatnonzero(np.isfinite(shown.chance[:, 1]) & np.isfinite(shown.circularity))
    if not known.size:
        return f"{words} It cannot be told: so few points, or points on a line, cannot be rounder than noise."
    k = int(known[-1])
    (mean, bound), score = shown.chance[k], float(shown.circularity[k])
    verdict = "rounder than noise" if score > bound else "no rounder than noise may be"
    return (
        f"{words} At step {shown.steps[k]:,}: {score:.2f}; noise {mean:.2f} on average, and in 95% of the trials at "
        f"most {bound:.2f}: {verdict}."
    )


def _noise_words(shown: EmbeddingPoints) -> str:
    """What the noise is that the points are compared with, and how often it was drawn."""
    trials = circle_chance.TRIALS
    if shown.axes in (TSNE, UMAP):
        return (
            f"Noise: as many points evenly over an ellipse, as stretched as these, {trials} times. A map of noise "
            "was not made: it would take as long as this one, and may be rounder."
        )
    if shown.axes in FREE:
        return f"Noise: as many Gaussian points, as stretched as these in their plane, {trials} times."
    p = shown.rows.modulus or 0
    return (
        f"Noise: the same rows in shuffled order, each time in the best of all {(p - 1) // 2} circles, "
        f"{circle_chance.ORDER_TRIALS} times."
    )
