"""Attention at many snapshots: what is drawn of each while the cursor moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from etl.errors import StrobeError
from strobe.views import attention, budget
from strobe.views.attention import MEAN, TENSOR, Array, Shape, read, rooted, shape, tensors, why_none
from strobe.views.run_view import RunView

MOST_EXACT: Final = 500_000
"""Weights of all frames that a panel holds as recorded too."""


def shades_of(values: Array, masked: Array) -> Array:
    """uint8 of the same shape as `values`: 1 = weight 0, 255 = weight 1, 0 = masked or not a number; beyond
    LINEAR_UP_TO keys the square root of the weight."""
    none = masked | np.isnan(values)
    shares = np.clip(np.where(none, 0, values), 0, 1)
    if rooted(values.shape[-1]):
        shares = np.sqrt(shares)
    return np.where(none, np.uint8(0), 1 + np.round(shares * 254).astype(np.uint8))


@dataclass(frozen=True)
class AttentionFrames:
    """The shades at some snapshots: `shades[k]` belongs to `steps[k]`. Where there is nothing to show, `steps` is
    empty and `reason` says why."""

    steps: list[int]
    shades: Array
    """uint8 (frame, layer, head, query, key), as `shades_of` makes them."""
    labels: list[str]
    """Of the keys."""
    queries: list[str]
    weights: Array | None = None
    """float32 of the same shape, as recorded: at most MOST_EXACT of them, which a panel holds beside the shades."""
    windowed: bool = False
    """Only frames round the cursor fit."""
    span: tuple[int, int] = (0, 0)
    """The first and the last of the steps that were tried, also where these cannot be read."""
    reason: str = ""
    remark: str = ""
    """What was left out, as a sentence that ends with a space; empty where nothing was."""
    masked: Array = field(default_factory=lambda: np.zeros((0, 0), bool))
    """bool (query, key)."""
    probe: str = MEAN
    part: tuple[slice, slice] = (slice(None), slice(None))
    """Which layers and heads these are."""
    tensor: str = TENSOR

    def recorded(self, view: RunView, index: int) -> Array:
        """float32 (layer, head, query, key): the weights of one frame as they were recorded. Raises StrobeError where
        they can no longer be read."""
        if self.weights is not None:
            return np.asarray(self.weights[index])
        snapshots, own = view.snapshots(), shape(view, self.tensor)
        if snapshots is None or own is None:
            raise StrobeError("its snapshots are not on this machine")
        snapshot = snapshots.at(self.steps[index])
        return read(snapshots, snapshot, self.probe, own.probes_read, self.tensor).values[self.part]

    @property
    def rooted(self) -> bool:
        """Whether shades are square roots of the weight."""
        return rooted(self.shades.shape[-1])

    def heads(self, layer: int, head: int | None = None) -> AttentionFrames:
        """The same of one layer, or of one head of it."""
        part = slice(layer, layer + 1), slice(None) if head is None else slice(head, head + 1)
        weights = None if self.weights is None else np.ascontiguousarray(self.weights[:, *part])
        return replace(self, shades=np.ascontiguousarray(self.shades[:, *part]), weights=weights, part=part)


def window(view: RunView, step: int, recorded: Shape | None) -> budget.Window:
    """The snapshots whose frames a panel holds when it shows `step`."""
    return budget.window(view.steps, step, _bytes_each(recorded) if recorded is not None else 0)


def _bytes_each(recorded: Shape) -> int:
    """What a frame counts for in the bytes of a panel: its own, or its share in what may be read for all of them."""
    own = recorded.weights
    return max(own, 4 * own * recorded.probes_read * budget.MOST_BYTES // attention.MOST_READ)


def frames(
    view: RunView, steps: Sequence[int], windowed: bool, probe: str = MEAN, tensor: str | None = None
) -> AttentionFrames:
    """The frames at `steps`; a snapshot that is damaged costs its own, which a panel can tell from the steps."""
    name = tensor or next(iter(tensors(view)), TENSOR)
    snapshots, recorded = view.snapshots(), shape(view, name)
    if snapshots is None:
        return _none("The snapshots of this run are not on this machine.")
    if recorded is None:
        return _none(why_none(view))
    first, kept, shades, exact, paths = None, [], [], [], snapshots.current()
    few = len(steps) * recorded.weights <= MOST_EXACT
    for step in steps:
        try:
            weights = read(snapshots, snapshots.sound(paths[step]), probe, recorded.probes_read, name)
        except (StrobeError, OSError, KeyError):
            continue
        first = first or weights
        shades.append(shades_of(weights.values, weights.masked))
        exact += [weights.values] if few else []
        kept.append(step)
    if first is None:
        which = "No snapshot around this step" if windowed else "No snapshot of this run"
        return replace(_none(f"{which} can be read: `strobe verify` names what is damaged."), windowed=windowed)
    span, remark = (steps[0], steps[-1]), first.remark if probe == MEAN else ""
    return AttentionFrames(
        kept, np.stack(shades), first.labels, first.queries, np.stack(exact) if few else None, windowed, span,
        remark=remark, masked=first.masked, probe=probe, tensor=name,
    )  # fmt: skip


def _none(reason: str) -> AttentionFrames:
    return AttentionFrames([], np.zeros((0, 0, 0, 0, 0), np.uint8), [], [], reason=reason)
