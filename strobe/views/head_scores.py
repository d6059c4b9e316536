"""What each attention head does over training, in six numbers: the stored scores of a run, or computed ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from etl.errors import StrobeError
from etl.run.snapshot import Snapshot
from strobe.analysis import attention as analysis
from strobe.analysis.fitting import TOKENS, check_square, why_no_tokens
from strobe.views import attention
from strobe.views.budget import evenly
from strobe.views.run_view import Answer, RunView, literal

SCORES: Final = {
    "previous_token": ("Previous token", "weight on the token just before"),
    "first_token": ("First token", "weight on the first token"),
    "diagonal": ("Itself", "weight on the query's own position"),
    "induction": ("Induction", "weight on what followed earlier occurrences of the same token"),
    "entropy": ("Entropy", "spread over the keys (nats): 0 means one key"),
    "max_weight": ("Largest weight", "largest weight of a query, on average"),
}
"""Column of table `heads` -> its name and what it measures."""
MOST_EACH: Final = 20_000_000
"""Bytes of attention of one snapshot that are read for scores: of larger ones, the first probe sequences."""


def stored(view: RunView, score: str) -> Answer:
    """One score from the table `heads`: series ("L0 H1"), step, value, layer, head."""
    return view.tables.ask(f"""SELECT 'L' || layer || ' H' || head AS series, step, {score} AS value, layer, head
FROM heads WHERE run = {literal(view.run)} ORDER BY layer, head, step""")


def why_none(view: RunView) -> str:
    """Why a run has no scores of heads, as a sentence."""
    own = next((entry for entry in view.tensor_entries() if entry["name"] == attention.TENSOR), None)
    if own is not None:
        try:
            check_square(own)
        except ValueError as error:
            return f"No scores: {error}."
    return f"No scores. {attention.why_none(view)}"


def why_undefined(view: RunView, score: str) -> str:
    """Why a score is NULL for every head at every step, as the end of a sentence."""
    if score != "induction":
        return "it is not finite"
    entries = {entry["name"]: entry for entry in view.tensor_entries()}
    if (own := entries.get(attention.TENSOR)) is not None:
        try:
            if why := why_no_tokens(entries.get(TOKENS), check_square(own)):
                return why
        except ValueError as error:
            return str(error)
    return "no token recurs in its probe sequences"


@dataclass(frozen=True)
class ComputedScores:
    """series, step, layer, head and every score of SCORES, NULL where not defined; and what they are made from."""

    table: pa.Table
    snapshots: int
    probes: int
    recorded: int
    """How many probe sequences there are: the scores are means over the first `probes`."""
    bytes_read: int

    def of(self, score: str) -> Answer:
        """One of the scores, with the columns of `stored`."""
        table = self.table.select(["series", "step", score, "layer", "head"])
        table = table.rename_columns(["series", "step", "value", "layer", "head"])
        return Answer(f"-- computed from the snapshots: {attention.TENSOR}", table)


def computed(view: RunView, recorded: attention.Shape) -> ComputedScores:
    """The scores of all heads from the snapshots: of long runs at evenly spaced ones, of large ones from the first
    probe sequences. What cannot be read is left out."""
    one = 4 * recorded.weights
    probes = max(1, min(recorded.probes, MOST_EACH // one))
    snapshots, rows, done = view.snapshots(), [], 0
    paths = snapshots.current() if snapshots is not None else {}
    for step in evenly(view.steps, max(2, attention.MOST_READ // (one * probes))):
        try:
            rows += rows_of(snapshots.sound(paths[step]), step, probes) if snapshots is not None else []
            done += 1
        except (StrobeError, OSError, KeyError, ValueError):
            continue
    rows.sort(key=lambda row: (row["layer"], row["head"], row["step"]))
    kinds = {"series": pa.string(), **dict.fromkeys(("step", "layer", "head"), pa.int64())}
    schema = pa.schema(list((kinds | dict.fromkeys(SCORES, pa.float64())).items()))
    return ComputedScores(pa.Table.from_pylist(rows, schema), done, probes, recorded.probes, done * one * probes)


def rows_of(snapshot: Snapshot, step: int, probes: int) -> list[dict[str, Any]]:
    """The scores of every head at one snapshot, over its first `probes` sequences."""
    own = snapshot.spec(TOKENS) if TOKENS in snapshot else None
    unknown = why_no_tokens(own, check_square(snapshot.spec(attention.TENSOR)))
    tokens = None if unknown else snapshot.read(TOKENS, range(probes))
    scores = analysis.head_scores(
        np.asarray(snapshot.values(attention.TENSOR, second=range(probes)), np.float64), tokens
    )
    rows = []
    for layer, head in np.ndindex(scores.entropy.shape):
        values = {name: float(score[layer, head]) for name, score in scores._asdict().items()}
        defined = {name: value if np.isfinite(value) else None for name, value in values.items()}
        rows.append({"series": f"L{layer} H{head}", "step": step, "layer": layer, "head": head, **defined})
    return rows
