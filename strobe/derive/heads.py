"""The table `heads`: six scores of every attention head."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from etl.run.snapshot import Snapshot
from strobe.analysis import attention
from strobe.analysis.fitting import ATTENTION, TOKENS, check_square, check_tokens, why_no_tokens
from strobe.analysis.forward import forward
from strobe.derive.analysis import BIGINT, DOUBLE, SMALLINT, Row, SnapshotAnalysis, finite
from strobe.derive.recorded_run import Array, NotApplicableError
from strobe.derive.subject import Subject

_BATCH_TOKENS: Final = 1 << 11
"""What goes through the model at a time: the logits of as many tokens of GPT-2 are 400 MB."""

MOST_OPERATIONS: Final = 1e12
"""The most that the forward passes over one snapshot's probe may take, where attention was not recorded."""


def needs(subject: Subject) -> None:
    recorded = subject.recorded
    if recorded.entry(ATTENTION) is not None:
        recorded.fitting(check_square, ATTENTION)
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
    spec = subject.recorded.entry(TOKENS)
    if spec is not None:
        subject.recorded.fitting(check_tokens, TOKENS)
        return math.prod(spec["shape"])
    try:
        subject.addition.check()
    except NotApplicableError:
        raise NotApplicableError(
            "the snapshots hold neither attention (section attention) nor the probe's tokens to compute it from"
        ) from None
    return int(subject.addition.inputs.size)


def _recorded_tokens(subject: Subject, snapshot: Snapshot) -> tuple[Array | None, str]:
    """The tokens (probe, position) of the recorded attention; or None and why there are none that belong to it."""
    recorded = subject.recorded
    why = why_no_tokens(recorded.entry(TOKENS), recorded.fitting(check_square, ATTENTION))
    return (None, why) if why else (np.asarray(snapshot[TOKENS]), "")


def _attention(subject: Subject, step: int) -> tuple[Array, Array | None, str]:
    """Attention (layer, probe, head, query, key), and the tokens (probe, position) or why they are not known: as
    recorded, else from a forward pass over the probe's tokens, or over all sums."""
    snapshot, recorded = subject.recorded.at(step), subject.recorded
    if recorded.entry(ATTENTION) is not None:
        return np.asarray(snapshot.values(ATTENTION), np.float64), *_recorded_tokens(subject, snapshot)
    params, architecture = subject.runnable.params(snapshot), subject.runnable.architecture
    given = subject.addition.inputs if recorded.entry(TOKENS) is None else np.asarray(snapshot[TOKENS])
    # Of each batch the attention alone is kept: the rest of a pass is many times larger.
    size = max(1, _BATCH_TOKENS // given.shape[1])
    try:
        parts = [forward(params, architecture, given[k : k + size]).attention for k in range(0, len(given), size)]
    except ValueError as error:
        raise NotApplicableError(f"the probe does not fit the model ({error})") from None
    return np.concatenate(parts, axis=1, dtype=np.float64), given, ""


def rows(subject: Subject, step: int) -> list[Row]:
    """A row for each layer and head."""
    att, tokens, why = _attention(subject, step)
    scores, made = attention.head_scores(att, tokens), []
    for layer, head in np.ndindex(scores.entropy.shape):
        values = {name: finite(float(score[layer, head]))[0] for name, score in scores._asdict().items()}
        missing = [name for name, value in values.items() if value is None]
        made.append({"step": step, "layer": layer, "head": head, **values, "note": _note(missing, why)})
    return made


def _note(missing: list[str], why: str) -> str | None:
    """Why scores are NULL: the induction score where no token recurs or, with `why`, none is known."""
    if missing == ["induction"]:
        return f"induction: {why or 'no token recurs'}"
    return ", ".join(missing) + ": not finite" if missing else None


ANALYSIS = SnapshotAnalysis(
    table="heads",
    definition=1,
    order=30,
    value="entropy",
    columns=(
        ("step", BIGINT), ("layer", SMALLINT), ("head", SMALLINT),
        *((score, DOUBLE) for score in attention.HeadScores._fields),
    ),
    needs=needs,
    rows=rows,
)  # fmt: skip
