"""The table `heads`: six scores of every attention head."""

from __future__ import annotations

import numpy as np

from strobe.analysis import attention
from strobe.derive.analysis import BIGINT, DOUBLE, SMALLINT, Row, SnapshotAnalysis, finite
from strobe.derive.recorded_run import NotApplicableError
from strobe.derive.subject import Subject


def needs(subject: Subject) -> None:
    if "att" not in subject.recorded.names("attention"):
        raise NotApplicableError("the snapshots hold no attention (section attention)")


def rows(subject: Subject, step: int) -> list[Row]:
    """A row for each layer and head."""
    snapshot = subject.recorded.at(step)
    tokens = np.asarray(snapshot["probe/tokens"]) if "tokens" in subject.recorded.names("probe") else None
    scores = attention.head_scores(np.asarray(snapshot.values("attention/att"), np.float64), tokens)
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
