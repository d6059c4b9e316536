"""The table `neuron_history`: how often each neuron changed its frequency, and since when it keeps its last one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from etl.store.catalogue import Catalogue
from strobe.analysis.fourier import SPECIALISED
from strobe.analysis.neurons import commitment_step, final_frequency, switches
from strobe.derive import neurons
from strobe.derive.analysis import BIGINT, INTEGER, SMALLINT, Row, TableAnalysis
from strobe.derive.recorded_run import Array
from strobe.derive.subject import Subject

_SQL = """SELECT layer, neuron, step, coalesce(frequency, 0) AS frequency, coalesce(share, 'nan'::DOUBLE) AS share
FROM neurons WHERE run = $1 ORDER BY layer, step, neuron"""
_UNSPECIALISED = f"at the last step no frequency holds {SPECIALISED} of its variance"


def needs(subject: Subject) -> None:
    neurons.ANALYSIS.check(subject)


def rows(catalogue: Catalogue, run: str) -> list[Row]:
    """A row for each layer and neuron, from all snapshots whose neurons are known."""
    table = catalogue.query(_SQL, [run])
    columns = {name: table[name].to_numpy() for name in table.column_names}
    return [
        row
        for layer in np.unique(columns["layer"])
        for row in _layer_rows(int(layer), {k: v[columns["layer"] == layer] for k, v in columns.items()})
    ]


def _layer_rows(layer: int, columns: dict[str, Array]) -> Iterator[Row]:
    """From one layer's columns, in the order of step and neuron."""
    steps, numbers = np.unique(columns["step"]), np.unique(columns["neuron"])
    frequency, share = (columns[name].reshape(len(steps), len(numbers)) for name in ("frequency", "share"))
    changed, last = switches(frequency, share), final_frequency(frequency, share)
    for number, count, final, since in zip(
        numbers, changed, last, commitment_step(steps, frequency, share), strict=True
    ):
        row = {"layer": layer, "neuron": int(number), "switches": int(count)}
        if final:
            yield row | {"final_frequency": int(final), "commitment_step": int(since), "note": None}
        else:
            yield row | {"final_frequency": None, "commitment_step": None, "note": _UNSPECIALISED}


ANALYSIS = TableAnalysis(
    table="neuron_history",
    definition=1,
    columns=(
        ("layer", SMALLINT), ("neuron", INTEGER), ("switches", BIGINT), ("final_frequency", INTEGER),
        ("commitment_step", BIGINT),
    ),
    needs=needs,
    sources=("neurons",),
    requires=("neurons",),
    rows=rows,
    unit="neurons followed",
)  # fmt: skip
