"""The table `fourier`: how much of the embeddings and of each head's query-key form belongs to each frequency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from etl.run.roles import Role
from etl.run.snapshot import Snapshot
from strobe.analysis import fourier
from strobe.derive.analysis import BIGINT, DOUBLE, INTEGER, SMALLINT, TEXT, Row, SnapshotAnalysis, finite
from strobe.derive.recorded_run import Array, NotApplicableError, RecordedRun, layers
from strobe.derive.subject import Subject

_SITES: Final[tuple[tuple[Role, str, str], ...]] = (
    ("token_embedding", "wte", "embedding"), ("unembedding", "unembed", "unembedding"),
)  # fmt: skip


def needs(subject: Subject) -> None:
    _ = subject.addition.modulus


def embedding_norms(recorded: RecordedRun, snapshot: Snapshot, p: int) -> Iterator[tuple[str, Array]]:
    """(site, component norms (p,) in float64) of the embedding and the unembedding, where the model has them."""
    for role, place, site in _SITES:
        if (name := recorded.parameter(role)) is not None:
            yield site, fourier.component_norms(_residues(recorded, snapshot, name, place, p), p)


def _residues(recorded: RecordedRun, snapshot: Snapshot, name: str, place: str, p: int) -> Array:
    """(p or more, d) in float64. Raises NotApplicableError for an embedding of fewer tokens."""
    values = recorded.embedding(snapshot, name, place)
    if len(values) < p:
        raise NotApplicableError(f"{name} has {len(values)} rows, fewer than the {p} residues")
    return values.astype(np.float64)


def rows(subject: Subject, step: int) -> list[Row]:
    """Component norms of both embeddings by frequency and kind, and each head's query-key energy by frequency."""
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
    return made


def _query_key_rows(recorded: RecordedRun, snapshot: Snapshot, step: int, p: int) -> Iterator[Row]:
    embedding = recorded.parameter("token_embedding")
    if embedding is None:
        return
    W_E = _residues(recorded, snapshot, embedding, "wte", p)
    for name in recorded.parameters("qkv"):
        for layer, matrix in layers(snapshot, name):
            parts = recorded.heads(name, matrix)
            for head, W_Q in enumerate(parts.get("q", [])):
                W_K = parts["k"][head * len(parts["k"]) // len(parts["q"])]
                for k, energy in enumerate(fourier.qk_energy(W_E, W_Q, W_K, p)):
                    row = _row(step, "query-key", k + 1, "energy", float(energy))
                    yield row | {"layer": layer, "head": head}


def _row(step: int, site: str, frequency: int, kind: str, value: float) -> Row:
    number, note = finite(value)
    return {"step": step, "site": site, "frequency": frequency, "kind": kind, "value": number, "note": note}


ANALYSIS = SnapshotAnalysis(
    table="fourier",
    definition=2,
    order=20,
    columns=(
        ("step", BIGINT), ("site", TEXT), ("layer", SMALLINT), ("head", SMALLINT), ("frequency", INTEGER),
        ("kind", TEXT), ("value", DOUBLE),
    ),
    needs=needs,
    rows=rows,
)  # fmt: skip
