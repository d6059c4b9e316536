"""The table `spectra`: singular values, ranks, the tail and the edge of random entries of every weight matrix, of
kernels as matrices, and of each expert."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from etl.run.snapshot import Snapshot
from strobe.analysis import spectrum
from strobe.analysis.entry_null import entry_edge
from strobe.analysis.heavy_tail import heavy_tail
from strobe.analysis.unfolding import Unfolding, unfoldings
from strobe.derive.analysis import BIGINT, BOOLEAN, DOUBLE, REAL, SMALLINT, TEXT, Row, SnapshotAnalysis
from strobe.derive.recorded_run import Array, NotApplicableError, RecordedRun, layers
from strobe.derive.side_by_side import side_by_side
from strobe.derive.subject import Subject

_NO_MATRICES = "the snapshots hold no weight matrices (section params)"


def needs(subject: Subject) -> None:
    if not subject.recorded.names("params"):
        raise NotApplicableError(_NO_MATRICES)


def rows(subject: Subject, step: int) -> list[Row]:
    """Every weight matrix, layer by layer and expert by expert; queries, keys and values also as three parts, whole
    and head by head."""
    recorded = subject.recorded
    made = list(side_by_side(_row, _matrices(recorded, recorded.as_recorded(step), step)))
    if not made:
        raise NotApplicableError(_NO_MATRICES)
    return made


def _matrices(recorded: RecordedRun, snapshot: Snapshot, step: int) -> Iterator[tuple[Row, Array]]:
    """Each with what its row says of it."""
    there = [name for name in recorded.names("params") if f"params/{name}" in snapshot]
    for name in there:
        spec, role = snapshot.spec(f"params/{name}"), recorded.roles[name]
        own = spec["dims"][1:] if spec["dims"][0] == "layer" else spec["dims"]
        for layer, values in layers(snapshot, f"params/{name}"):
            base = {"step": step, "tensor": spec.get("group", name), "layer": layer}
            for one in unfoldings(own, values.shape, role) if values.ndim else ():
                if not one.vector:
                    for named, part in _parts(recorded, name, one, one.of(values)):
                        yield base | named, part


def _row(matrix: tuple[Row, Array]) -> Row:
    named, values = matrix
    return named | _spectrum(values)


def _parts(recorded: RecordedRun, name: str, one: Unfolding, matrix: Array) -> Iterator[tuple[Row, Array]]:
    if one.part is not None:
        yield {"part": one.part[0], "head": one.part[1]}, matrix
        return
    yield {"part": "whole", "head": None}, matrix
    if recorded.roles[name] != "qkv" or one.folded:
        return
    for part, heads in recorded.heads(f"params/{name}", matrix).items():
        yield {"part": part, "head": None}, np.concatenate(heads)
        for head, block in enumerate(heads):
            yield {"part": part, "head": head}, block


def _spectrum(matrix: Array) -> Row:
    s = spectrum.singular_values(matrix).values
    tail, edge = heavy_tail(s), entry_edge(matrix, s)
    row: Row = {
        "singular_values": s if np.isfinite(s).all() else None,
        "stable_rank": spectrum.stable_rank(s),
        "effective_rank": spectrum.effective_rank(s),
        "participation_ratio": spectrum.participation_ratio(s),
        "alpha": tail.alpha, "alpha_ks": tail.ks, "alpha_xmin": tail.xmin, "alpha_p": tail.p,
        "random_sigma": edge.sigma, "random_edge": edge.edge, "random_ks": edge.ks,
    }  # fmt: skip
    row = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
    counted = {} if edge.note else {"beyond_edge": edge.beyond, "bulk_random": edge.looks_random}
    return row | counted | {"alpha_n": tail.n, "note": _note(s, tail.note, edge.note)}


def _note(s: Array, *notes: str) -> str | None:
    """Why something of this spectrum is NULL: each reason once."""
    if why := spectrum.why_none(s):
        return why
    if not s.any():
        return "all zero"
    return "; ".join(dict.fromkeys(note for note in notes if note)) or None


ANALYSIS = SnapshotAnalysis(
    table="spectra",
    definition=4,
    order=10,
    value="singular_values",
    columns=(
        ("step", BIGINT), ("tensor", TEXT), ("layer", SMALLINT), ("part", TEXT), ("head", SMALLINT),
        ("singular_values", pa.list_(REAL)),
        ("stable_rank", DOUBLE), ("effective_rank", DOUBLE), ("participation_ratio", DOUBLE),
        ("alpha", DOUBLE), ("alpha_ks", DOUBLE), ("alpha_xmin", DOUBLE), ("alpha_n", BIGINT), ("alpha_p", DOUBLE),
        ("random_sigma", DOUBLE), ("random_edge", DOUBLE), ("beyond_edge", BIGINT), ("random_ks", DOUBLE),
        ("bulk_random", BOOLEAN),
    ),
    needs=needs,
    rows=rows,
)  # fmt: skip
