"""The table `heads`: six scores of every attention head."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from strobe.analysis import attention
from strobe.analysis.forward import forward
from strobe.derive.analysis import BIGINT, DOUBLE, SMALLINT, Row, SnapshotAnalysis, finite
from strobe.derive.recorded_run import Array, NotApplicableError
from strobe.derive.subject import Subject

_TOKENS: Final = "probe/tokens"
_BATCH_TOKENS: Final = 1 << 11
"""What goes through the model at a time: the logits of as many tokens of GPT-2 are 400 MB."""

MOST_OPERATIONS: Final = 1e12
"""The most that the forward passes over one snapshot's probe may take, where attention was not recorded."""


def needs(subject: Subject) -> None:
    if "att" in subject.recorded.names("attention"):
        return
    try:
        _ = subject.runnable
    except NotApplicableError as error:
        raise NotApplicableError(f"the snapshots hold no attention (section attention), and {error}") from None
    parameters = sum(math.prod(t["shape"]) for t in subject.recorded.tensors("params"))
    if (operations := 2 * parameters * _inputs_size(subject)) > MOST_OPERATIONS:
        raise NotApplicableError(
            "the snapshots hold no attention (section attention), and computing it takes "
            f"{operations:.1g} operations a snapshot, more than {MOST_OPERATIONS:.0e}"
        )


def _inputs_size(subject: Subject) -> int:
    """How many tokens the forward pass would be given. Raises NotApplicableError where there are none."""
    spec = next((t for t in subject.recorded.tensors("probe") if t["name"] == _TOKENS), None)
    if spec is not None:
        return math.prod(spec["shape"])
    try:
        subject.addition.check()
    except NotApplicableError:
        raise NotApplicableError(
            "the snapshots hold neither attention (section attention) nor the probe's tokens to compute it from"
        ) from None
    return int(subject.addition.inputs.size)


def _attention(subject: Subject, step: int) -> tuple[Array, Array | None]:
    """Attention (layer, probe, head, query, key) and the tokens (probe, position) where they are known: as recorded,
    else from a forward pass over the probe's tokens, or over all sums."""
    snapshot, recorded = subject.recorded.at(step), subject.recorded
    tokens = np.asarray(snapshot[_TOKENS]) if "tokens" in recorded.names("probe") else None
    if "att" in recorded.names("attention"):
        return np.asarray(snapshot.values("attention/att"), np.float64), tokens
    params, architecture = subject.runnable.params(snapshot), subject.runnable.architecture
    given = subject.addition.inputs if tokens is None else tokens
    # Of each batch the attention alone is kept: the rest of a pass is many times larger.
    size = max(1, _BATCH_TOKENS // given.shape[1])
    try:
        parts = [forward(params, architecture, given[k : k + size]).attention for k in range(0, len(given), size)]
    except ValueError as error:
        raise NotApplicableError(f"the probe does not fit the model ({error})") from None
    return np.concatenate(parts, axis=1, dtype=np.float64), given


def rows(subject: Subject, step: int) -> list[Row]:
    """A row for each layer and head."""
    scores = attention.head_scores(*_attention(subject, step))
    made = []
    for layer, head in np.ndindex(scores.entropy.shape):
        values = {name: finite(float(score[layer, head]))[0] for name, score in scores._asdict().items()}
        missing = [name for name, value in values.items() if value is None]
        note = "induction: no token recurs" if missing == ["induction"] else ", ".join(missing) + ": not finite"
        made.append({"step": step, "layer": layer, "head": head, **values, "note": note if missing else None})
    return made


ANALYSIS = SnapshotAnalysis(
    table="heads",
    definition=1,
    order=30,
    columns=(
        ("step", BIGINT), ("layer", SMALLINT), ("head", SMALLINT),
        *((score, DOUBLE) for score in attention.HeadScores._fields),
    ),
    needs=needs,
    rows=rows,
)  # fmt: skip
