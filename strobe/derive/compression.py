"""The table `compression`: the compression score of each passage at each layer, epoch by epoch."""

from __future__ import annotations

import math

from etl.store.catalogue import Catalogue
from strobe.derive.analysis import BIGINT, DOUBLE, INTEGER, SMALLINT, TEXT, Row, TableAnalysis, finite
from strobe.derive.passages import folder_of, needs
from strobe.derive.study_files import points, read_point

_COLUMNS = ["epoch", "passage", "split", "compression"]
_NOT_MEASURED = "not measured: a state was not finite, or there were too few tokens"


def rows(catalogue: Catalogue, run: str) -> list[Row]:
    """A row a passage and layer at each epoch that was measured."""
    made: list[Row] = []
    for path in points(folder_of(catalogue, run)).values():
        for row in read_point(path, _COLUMNS).to_pylist():
            scores = row.pop("compression")
            made += [row | _score(layer, score) for layer, score in enumerate(scores)]
    return made


def _score(layer: int, score: float | None) -> Row:
    value, note = finite(math.nan if score is None else score, _NOT_MEASURED)
    return {"layer": layer, "score": value, "note": note}


ANALYSIS = TableAnalysis(
    table="compression",
    definition=1,
    order=21,
    value="score",
    columns=(("epoch", BIGINT), ("layer", SMALLINT), ("passage", INTEGER), ("split", TEXT), ("score", DOUBLE)),
    needs=needs,
    sources=("runs", "snapshots", "scalars"),
    rows=rows,
    unit="scores read",
)
