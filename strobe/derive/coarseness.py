"""The table `coarseness`: how much of each layer's neurons is in the lowest frequencies, snapshot by snapshot."""

from __future__ import annotations

import numpy as np

from strobe.analysis.neurons import layer_coarseness
from strobe.derive.analysis import BIGINT, DOUBLE, SMALLINT, Row, SnapshotAnalysis
from strobe.derive.subject import Subject


def needs(subject: Subject) -> None:
    subject.addition.check()


def rows(subject: Subject, step: int) -> list[Row]:
    """A row for each layer."""
    made = []
    for layer, shares in enumerate(subject.addition.shares(step)):
        over_neurons = layer_coarseness(shares)
        row: Row = {"step": step, "layer": layer, "neurons": over_neurons.neurons}
        values = {"mean": over_neurons.mean, "blob": over_neurons.blob, "plaid": over_neurons.plaid}
        row |= {name: None if np.isnan(value) else value for name, value in values.items()}
        made.append(row | {"note": None if over_neurons.neurons else "no neuron varies over the inputs"})
    return made


ANALYSIS = SnapshotAnalysis(
    table="coarseness",
    definition=2,
    columns=(
        ("step", BIGINT), ("layer", SMALLINT), ("neurons", BIGINT), ("mean", DOUBLE), ("blob", DOUBLE),
        ("plaid", DOUBLE),
    ),
    needs=needs,
    rows=rows,
)  # fmt: skip
