"""The table `neurons`: the frequency that each MLP neuron is closest to, snapshot by snapshot, and its share."""

from __future__ import annotations

from strobe.analysis import fourier
from strobe.derive.analysis import BIGINT, DOUBLE, INTEGER, SMALLINT, Row, SnapshotAnalysis, finite
from strobe.derive.subject import Subject

CONSTANT = "the neuron does not vary over the inputs"
"""Why a neuron has no share."""


def needs(subject: Subject) -> None:
    subject.addition.check()


def rows(subject: Subject, step: int) -> list[Row]:
    """A row for each layer and neuron."""
    made = []
    for layer, shares in enumerate(subject.addition.shares(step)):
        best = fourier.best_frequency(shares)
        for neuron, (frequency, share) in enumerate(zip(best.frequency.tolist(), best.share.tolist(), strict=True)):
            number, note = finite(share, CONSTANT)
            row = {"step": step, "layer": layer, "neuron": neuron, "share": number, "note": note}
            made.append(row | {"frequency": frequency or None})
    return made


ANALYSIS = SnapshotAnalysis(
    table="neurons",
    definition=2,
    order=40,
    value="share",
    columns=(
        ("step", BIGINT), ("layer", SMALLINT), ("neuron", INTEGER), ("frequency", INTEGER), ("share", DOUBLE),
    ),
    needs=needs,
    rows=rows,
)  # fmt: skip
