"""The table `fourier`: how much of the embeddings and of each head's query-key form belongs to each frequency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from etl.run.roles import Role
from etl.run.snapshot import Snapshot
from strobe.analysis import fourier
from strobe.analysis.fitting import check_residues
from strobe.derive.analysis import BIGINT, DOUBLE, INTEGER, SMALLINT, TEXT, Row, SnapshotAnalysis, finite
from strobe.derive.recorded_run import Array, NotApplicableError, RecordedRun, layers
from strobe.derive.subject import Subject

_SITES: Final[tuple[tuple[Role, str, str], ...]] = (
    ("token_embedding", "wte", "embedding"), ("unembedding", "unembed", "unembedding"),
)  # fmt: skip
_PLACES: Final = {site: place for _, place, site in _SITES}

MOST_RESIDUES: Final = 5_000
"""The largest modulus whose basis is made: 200 MB."""


def needs(subject: Subject) -> None:
    p = subject.addition.modulus
    fitting, lacking = _sites(subject.recorded, p)
    if lacking and not fitting:
        raise NotApplicableError("; ".join(lacking.values()))
    if p > MOST_RESIDUES:
        raise NotApplicableError(
            f"task.modulus is {p:,}, and the Fourier basis of more than {MOST_RESIDUES:,} is not made"
        )


def _sites(recorded: RecordedRun, p: int) -> tuple[dict[str, str], dict[str, str]]:
    """Site -> the name of its tensor; and for those of the model's sites that have no row for every residue: why."""
    fitting: dict[str, str] = {}
    lacking: dict[str, str] = {}
    for role, place, site in _SITES:
        if (name := recorded.parameter(role)) is not None:
            try:
                check_residues(name, recorded.tokens(name, place), p)
                fitting[site] = name
            except (NotApplicableError, ValueError) as error:
                lacking[site] = str(error)
    return fitting, lacking


def embedding_norms(recorded: RecordedRun, snapshot: Snapshot, p: int) -> Iterator[tuple[str, Array]]:
    """(site, component norms (p,) in float64) of the embedding and the unembedding, where the model has them and
    they have a row for every residue."""
    for site, name in _sites(recorded, p)[0].items():
        yield site, fourier.component_norms(_residues(recorded, snapshot, name, _PLACES[site]), p)


def _residues(recorded: RecordedRun, snapshot: Snapshot, name: str, place: str) -> Array:
    """(p or more, d) in float64."""
    return recorded.embedding(snapshot, name, place).astype(np.float64)


def rows(subject: Subject, step: int) -> list[Row]:
    """Component norms of both embeddings by frequency and kind, and each head's query-key energy by frequency; of
    what does not fit, one row that says why."""
    p, snapshot = subject.addition.modulus, subject.recorded.at(step)
    basis = fourier.basis(p)
    made = [
        _row(step, site, frequency, kind, float(norm))
        for site, norms in embedding_norms(subject.recorded, snapshot, p)
        for frequency, kind, norm in zip(basis.frequency.tolist(), basis.kind.tolist(), norms, strict=True)
    ]
    made += _query_key_rows(subject.recorded, snapshot, step, p)
    if not made:
        raise NotApplicableError("the snapshots hold no embedding: neither of tokens nor an unembedding")
    return made + [_unfit(step, site, why) for site, why in _sites(subject.recorded, p)[1].items()]


def _query_key_rows(recorded: RecordedRun, snapshot: Snapshot, step: int, p: int) -> Iterator[Row]:
    embedding = _sites(recorded, p)[0].get("embedding")
    if embedding is None:
        return
    W_E = _residues(recorded, snapshot, embedding, "wte")
    for name in recorded.parameters("qkv"):
        for layer, matrix in layers(snapshot, name):
            parts = recorded.heads(name, matrix)
            if parts and (width := parts["q"][0].shape[1]) != W_E.shape[1]:
                why = f"{name} takes {width:,} channels, and {embedding} has {W_E.shape[1]:,}"
                yield _unfit(step, "query-key", why) | {"layer": layer}
                continue
            for head, W_Q in enumerate(parts.get("q", [])):
                W_K = parts["k"][head * len(parts["k"]) // len(parts["q"])]
                for k, energy in enumerate(fourier.qk_energy(W_E, W_Q, W_K, p)):
                    row = _row(step, "query-key", k + 1, "energy", float(energy))
                    yield row | {"layer": layer, "head": head}


def _unfit(step: int, site: str, why: str) -> Row:
    return {"step": step, "site": site, "value": None, "note": why}


def _row(step: int, site: str, frequency: int, kind: str, value: float) -> Row:
    number, note = finite(value)
    return {"step": step, "site": site, "frequency": frequency, "kind": kind, "value": number, "note": note}


ANALYSIS = SnapshotAnalysis(
    table="fourier",
    definition=2,
    order=20,
    value="value",
    columns=(
        ("step", BIGINT), ("site", TEXT), ("layer", SMALLINT), ("head", SMALLINT), ("frequency", INTEGER),
        ("kind", TEXT), ("value", DOUBLE),
    ),
    needs=needs,
    rows=rows,
)  # fmt: skip
