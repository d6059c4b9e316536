"""Attention: who looks at whom, in every head, at a snapshot. The weights as they were recorded, and the same as
shades for a canvas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from etl.errors import StrobeError
from etl.run.folder import Run
from etl.run.snapshot import Snapshot
from strobe.analysis.fitting import ATTENTION, TOKENS, AttentionAxes, why_no_tokens
from strobe.views.missing import why_missing
from strobe.views.ordering import natural
from strobe.views.run_view import RunView
from strobe.views.tokens import position_names, token_name

TENSOR: Final = ATTENTION
MEAN: Final = "mean of probes"
"""Stands where the number of a probe sequence could."""
MOST_READ: Final = 100_000_000
"""Bytes of attention that one panel reads: beyond, fewer snapshots at a time, and of half as much in one snapshot the
first probe sequences."""
LINEAR_UP_TO: Final = 8
"""Positions up to which attention is shaded linearly; beyond it weights are small and a square root shows them."""

Array = np.ndarray[Any, Any]


class Shape(NamedTuple):
    """Of what a run records at each snapshot."""

    layers: int
    probes: int
    heads: int
    queries: int
    keys: int

    @property
    def weights(self) -> int:
        """How many weights one probe sequence has."""
        return self.layers * self.heads * self.queries * self.keys

    @property
    def probes_read(self) -> int:
        """How many probe sequences a mean is over that many snapshots are read for: all, or the first of very large
        ones."""
        return max(1, min(self.probes, MOST_READ // 2 // max(1, 4 * self.weights)))


def tensors(view: RunView) -> list[str]:
    """The tensors of attention that can be drawn, by their full names: that of all layers first, then those of single
    modules, such as between an encoder and a decoder."""
    names = [entry["name"] for entry in _entries(view) if not _unfit(entry)]
    return sorted(names, key=lambda name: (name != TENSOR, natural(name)))


def shape(view: RunView, tensor: str | None = None) -> Shape | None:
    """Of a tensor, the first of `tensors` where none is named. None where the run has no snapshots on this machine,
    or none with attention that can be drawn (`why_none`)."""
    name = tensor or next(iter(tensors(view)), None)
    own = next((entry for entry in _entries(view) if entry["name"] == name), None)
    return Shape(*_axes(own)) if own is not None and not _unfit(own) else None


def why_none(view: RunView) -> str:
    """Why a run has no `shape`, as a sentence."""
    unfit = next((_unfit(entry) for entry in _entries(view) if "missing" not in entry), None)
    if unfit is None:
        return why_missing(view, "attention", "attention")
    return f"Attention is not drawn: {unfit}."


def _entries(view: RunView) -> list[Mapping[str, Any]]:
    return [entry for entry in (view.tensor_entries() if view.steps else []) if entry["section"] == "attention"]


def _axes(entry: Mapping[str, Any]) -> AttentionAxes:
    """Of all layers, or of one module as one layer. Raises ValueError where the tensor's axes are others."""
    if tuple(entry["dims"]) == AttentionAxes._fields[1:]:
        return AttentionAxes(1, *entry["shape"])
    return AttentionAxes.of(entry)


def _unfit(entry: Mapping[str, Any]) -> str:
    """Why the attention of a manifest's entry cannot be drawn; empty where it can."""
    try:
        _axes(entry)
    except ValueError as error:
        return str(error)
    return ""


def probe_choices(recorded: Shape | None) -> list[str]:
    """What can be looked at: the mean, then each probe sequence by number; none without attention."""
    return [MEAN, *map(str, range(recorded.probes))] if recorded is not None else []


def rooted(keys: int) -> bool:
    """Whether a colour is the square root of the weight."""
    return keys > LINEAR_UP_TO


def masked_keys(queries: int, keys: int) -> Array:
    """bool (query, key): True where a query cannot look, since the key comes after it."""
    return np.triu(np.ones((queries, keys), bool), k=1)


@dataclass(frozen=True)
class Weights:
    """The weights of one snapshot: of one probe sequence, or the mean of the first `probes` of `recorded`."""

    values: Array
    """float32 (layer, head, query, key), as recorded, 0..1."""
    masked: Array
    """bool (query, key)."""
    labels: list[str]
    """Of the keys: the tokens of the probe sequence as data (escaped where they are shown), or the names of the
    positions."""
    probes: int
    recorded: int
    queries: list[str]
    """The same of the queries."""

    @property
    def remark(self) -> str:
        """Which probe sequences a mean leaves out, as a sentence that ends with a space; empty where none."""
        few = self.probes < self.recorded
        return f"Mean of the first {self.probes} of {self.recorded} probe sequences. " if few else ""

    @property
    def seen(self) -> Array:
        """The values, NaN where a key is masked."""
        return np.where(self.masked, np.float32(np.nan), self.values)


def weights_at(view: RunView, step: int, probe: str = MEAN) -> Weights:
    """The weights when the cursor is at `step`, means over all probe sequences. Raises StrobeError where the run has
    no snapshots on this machine, or none with attention."""
    snapshots = view.snapshots()
    if snapshots is None or not view.steps:
        raise StrobeError("its snapshots are not on this machine")
    name = next(iter(tensors(view)), TENSOR)
    return read(snapshots, snapshots.at(view.at_or_before(step)), probe, tensor=name)


def read(run: Run, snapshot: Snapshot, probe: str = MEAN, most: int | None = None, tensor: str = TENSOR) -> Weights:
    """The weights of one snapshot of `run`: of a probe sequence by its number, or the mean of the first `most` (None:
    of all). Raises StrobeError where it has none."""
    if tensor not in snapshot:
        raise StrobeError(f"its snapshots have no {tensor}")
    if unfit := _unfit(snapshot.spec(tensor)):
        raise StrobeError(unfit)
    recorded, keys = _axes(snapshot.spec(tensor)).probe, snapshot.spec(tensor)["shape"][-1]
    used = min(recorded, most or recorded) if probe == MEAN else 1
    probes = range(used) if probe == MEAN else [int(probe)]
    values = (
        _values(snapshot, tensor, probes).mean(axis=1) if probe == MEAN else _values(snapshot, tensor, probes)[:, 0]
    )
    own = _labels(run, snapshot, probe, values.shape[-2], tensor)
    # Keys of another number are other positions, of which nothing is known.
    labels = own if keys == values.shape[-2] else [str(position) for position in range(keys)]
    return Weights(values, _masked(snapshot.spec(tensor), values), labels, used, recorded, own)


def _values(snapshot: Snapshot, tensor: str, probes: Sequence[int]) -> Array:
    """float32 (layer, probe, head, query, key) of some probe sequences; a single module is one layer."""
    if len(snapshot.spec(tensor)["shape"]) == len(AttentionAxes._fields):
        return np.asarray(snapshot.values(tensor, second=probes), np.float32)
    return np.asarray(snapshot.values(tensor, probes), np.float32)[None]


def _masked(entry: Mapping[str, Any], values: Array) -> Array:
    """bool (query, key): the later keys where the manifest says that attention is causal, or, where it says nothing,
    where they all have weight 0. None where keys are other positions than queries."""
    queries, keys = values.shape[-2:]
    later = masked_keys(queries, keys)
    if queries != keys:
        return np.zeros_like(later)
    causal = entry.get("causal")
    if causal is None:
        causal = not np.any(values[..., later])
    return later if causal else np.zeros_like(later)


def _labels(run: Run, snapshot: Snapshot, probe: str, queries: int, tensor: str) -> list[str]:
    if tensor != TENSOR:
        # Of a single module it is not known which sequence its queries are.
        return [str(position) for position in range(queries)]
    task = run.manifest.task
    tokens = snapshot.spec(TOKENS) if TOKENS in snapshot else None
    if probe != MEAN and not why_no_tokens(tokens, _axes(snapshot.spec(tensor))):
        return [token_name(task, int(token)) for token in snapshot.read(TOKENS, int(probe))]
    return position_names(task, queries)


def weights_table(
    weights: Array, masked: Array, labels: Sequence[str], queries: Sequence[str] | None = None
) -> pa.Table:
    """layer, head, query, key (positions), query_token, key_token, weight (float32) of `weights` (layer, head, query,
    key); masked keys are left out. `labels` are of the keys, and of the queries where these have none."""
    layer, head, query, key = (axis.ravel() for axis in np.indices(weights.shape))
    seen = ~masked[query, key]
    names, asking = (np.asarray(list(own), dtype=object) for own in (labels, labels if queries is None else queries))
    return pa.table({
        "layer": layer[seen], "head": head[seen], "query": query[seen], "key": key[seen],
        "query_token": pa.array(asking[query[seen]].tolist(), pa.string()),
        "key_token": pa.array(names[key[seen]].tolist(), pa.string()),
        "weight": weights.ravel()[seen].astype(np.float32),
    })  # fmt: skip
