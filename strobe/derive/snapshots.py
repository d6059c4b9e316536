"""The tables that are computed snapshot by snapshot: (subject, step) -> rows, as docs/analyses.md defines them.

A row is a dictionary of the table's columns without `run` and `definition`; what is absent is NULL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from etl.run.roles import Role
from strobe.analysis import attention, fourier, progress, spectrum
from strobe.derive.subject import Array, NotApplicableError, Subject

Row = dict[str, Any]
Derive = Callable[[Subject, int], list[Row]]

_EMBEDDINGS: tuple[tuple[Role, str], ...] = (("token_embedding", "embedding"), ("unembedding", "unembedding"))
"""Role -> the site that its rows name."""


def known(value: float, note: str = "not finite") -> tuple[float | None, str | None]:
    """(value, None), or (None, why) where there is no finite value."""
    return (float(value), None) if math.isfinite(value) else (None, note)


def spectra(subject: Subject, step: int) -> list[Row]:
    """Every weight matrix, layer by layer; queries, keys and values also as three parts, whole and head by head."""
    snapshot, rows = subject.at(step), []
    for name in subject.names("params"):
        dims = snapshot.spec(f"params/{name}")["dims"]
        values = snapshot.values(f"params/{name}")
        layered = dims[0] == "layer"
        if values.ndim - layered != 2:
            continue
        for layer, matrix in enumerate(values) if layered else [(None, values)]:
            base = {"step": step, "tensor": name, "layer": layer}
            rows += [base | named | _spectrum(part) for named, part in _parts(subject, name, matrix)]
    if not rows:
        raise NotApplicableError("the snapshots hold no weight matrices (section params)")
    return rows


def _parts(subject: Subject, name: str, matrix: Array) -> Iterator[tuple[Row, Array]]:
    yield {"part": "whole", "head": None}, matrix
    heads = subject.run.manifest.raw["model"].get("n_head")
    if subject.roles[name] != "qkv" or not isinstance(heads, int) or heads < 1 or len(matrix) % (3 * heads):
        return
    for part, block in zip("qkv", np.split(matrix, 3), strict=True):
        yield {"part": part, "head": None}, block
        for head, rows in enumerate(np.split(block, heads)):
            yield {"part": part, "head": head}, rows


def _spectrum(matrix: Array) -> Row:
    s = spectrum.singular_values(matrix).values
    tail = spectrum.heavy_tail(s)
    row: Row = {
        "singular_values": s if np.isfinite(s).all() else None,
        "stable_rank": spectrum.stable_rank(s),
        "effective_rank": spectrum.effective_rank(s),
        "participation_ratio": spectrum.participation_ratio(s),
        "alpha": tail.alpha, "alpha_ks": tail.ks, "alpha_xmin": tail.xmin,
    }  # fmt: skip
    row = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
    note = tail.note if np.isfinite(s).all() and s.any() else "a weight is not finite" if s.any() else "all zero"
    return row | {"alpha_n": tail.n, "note": note or None}


def fourier_rows(subject: Subject, step: int) -> list[Row]:
    """Component norms of both embeddings by frequency and kind, and each head's query-key energy by frequency."""
    p, snapshot, rows = subject.modular.modulus, subject.at(step), []
    basis = fourier.basis(p)
    for role, site in _EMBEDDINGS:
        if (name := subject.parameter(role)) is None:
            continue
        norms = fourier.component_norms(np.asarray(snapshot.values(f"params/{name}"), np.float64), p)
        for frequency, kind, norm in zip(basis.frequency.tolist(), basis.kind.tolist(), norms, strict=True):
            rows.append(_frequency_row(step, site, frequency, kind, float(norm)))
    embedding, qkv = subject.parameter("token_embedding"), subject.parameter("qkv")
    if embedding is not None and qkv is not None:
        rows += _query_key_rows(subject, step, embedding, qkv)
    if not rows:
        raise NotApplicableError("the snapshots hold no embedding (params/wte or params/unembed)")
    return rows


def _query_key_rows(subject: Subject, step: int, embedding: str, qkv: str) -> list[Row]:
    """The energies of every head; `embedding` and `qkv` (layer, 3C, C) name the params tensors."""
    snapshot, heads, p = subject.at(step), subject.architecture.n_head, subject.modular.modulus
    W_E, rows = snapshot.values(f"params/{embedding}"), []
    for layer, matrix in enumerate(snapshot.values(f"params/{qkv}")):
        queries, keys, _ = (np.split(block, heads) for block in np.split(np.asarray(matrix), 3))
        for head, (W_Q, W_K) in enumerate(zip(queries, keys, strict=True)):
            energy = fourier.qk_energy(W_E, W_Q, W_K, p)
            rows += [
                _frequency_row(step, "query-key", k + 1, "energy", float(value)) | {"layer": layer, "head": head}
                for k, value in enumerate(energy)
            ]
    return rows


def _frequency_row(step: int, site: str, frequency: int, kind: str, value: float) -> Row:
    number, note = known(value)
    return {"step": step, "site": site, "frequency": frequency, "kind": kind, "value": number, "note": note}


def heads(subject: Subject, step: int) -> list[Row]:
    """Six scores of every attention head."""
    subject.require("heads")
    snapshot = subject.at(step)
    tokens = np.asarray(snapshot["probe/tokens"]) if "tokens" in subject.names("probe") else None
    scores = attention.head_scores(np.asarray(snapshot.values("attention/att"), np.float64), tokens)
    rows = []
    for layer, head in np.ndindex(scores.entropy.shape):
        values = {name: known(float(score[layer, head]))[0] for name, score in scores._asdict().items()}
        missing = [name for name, value in values.items() if value is None]
        note = "induction: no token recurs" if missing == ["induction"] else ", ".join(missing) + ": not finite"
        rows.append({"step": step, "layer": layer, "head": head, **values, "note": note if missing else None})
    return rows


def neurons(subject: Subject, step: int) -> list[Row]:
    """The frequency that each neuron is closest to, and its share."""
    rows = []
    for layer, shares in enumerate(subject.shares(step)):
        best = fourier.best_frequency(shares)
        for neuron, (frequency, share) in enumerate(zip(best.frequency.tolist(), best.share.tolist(), strict=True)):
            number, note = known(share, "the neuron does not vary over the inputs")
            row = {"step": step, "layer": layer, "neuron": neuron, "share": number, "note": note}
            rows.append(row | {"frequency": frequency or None})
    return rows


def progress_rows(subject: Subject, step: int) -> list[Row]:
    """Full, restricted and excluded loss, cosine coefficients, and the Gini of the embeddings' component norms."""
    task, keys = subject.modular, subject.keys.frequencies.tolist()
    p, logits = task.modulus, subject.forward(step).logits
    splits: dict[str, Array | None] = {"train": task.train_index, "val": task.val_index, "all": None}
    found: list[tuple[str, str | None, int | None, float]] = []
    for split, index in splits.items():
        found.append(("full_loss", split, None, progress.full_loss(logits, p, index)))
        if keys:
            found.append(("restricted_loss", split, None, progress.restricted_loss(logits, p, keys, index)))
    if keys:
        without = progress.excluded_loss(logits, p, keys, task.train_index)
        found.append(("excluded_loss", "train", None, without.all_keys))
        found += [("excluded_loss", "train", key, float(loss)) for key, loss in zip(keys, without.each, strict=True)]
    coefficients = progress.cosine_coefficients(logits, p)
    found += [("cosine_coefficient", None, k + 1, float(value)) for k, value in enumerate(coefficients)]
    snapshot = subject.at(step)
    for role, site in _EMBEDDINGS:
        if (name := subject.parameter(role)) is not None:
            norms = fourier.component_norms(np.asarray(snapshot.values(f"params/{name}"), np.float64), p)
            found.append((f"gini_{site}", None, None, fourier.gini(norms)))
    names = ("measure", "split", "frequency")
    rows = []
    for *what, value in found:
        number, note = known(value)
        rows.append({"step": step, **dict(zip(names, what, strict=True)), "value": number, "note": note})
    return rows


DERIVED: dict[str, Derive] = {
    "spectra": spectra,
    "fourier": fourier_rows,
    "heads": heads,
    "neurons": neurons,
    "progress": progress_rows,
}
"""Table -> what computes its rows of one snapshot. Raises NotApplicableError where the run cannot have them."""
