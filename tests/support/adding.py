"""A random transformer that is given sums mod P, recorded in any shape that a manifest can say, and a reference of
its logits that shares no code with Strobe's: one sequence, one head, one query at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etl.run.folder import Run
from etl.run.journal import METRICS, Journal
from etl.run.layout import place
from etl.run.writer import SnapshotWriter
from strobe.derive.addition import AdditionModel
from strobe.derive.recorded_run import RecordedRun
from strobe.derive.subject import Subject

P, LAYERS, HEADS, WIDTH, NEURONS, POSITIONS = 5, 2, 2, 6, 9, 4
VOCABULARY = P + 2

Arrays = Mapping[str, np.ndarray]
DIMS = {
    **{key: ["token", "channel"] for key in ("wte", "unembed")}, "wpe": ["position", "channel"],
    **{key: ["layer", "out", "in"] for key in ("qkvw", "attprojw", "fcw", "fcprojw")},
    **{key: ["layer", "out"] for key in ("qkvb", "attprojb", "fcb", "fcprojb")},
    **{key: ["layer", "channel"] for key in ("ln1w", "ln1b", "ln2w", "ln2b")},
    **{key: ["channel"] for key in ("lnfw", "lnfb")}, "unembedb": ["token"],
}  # fmt: skip
MODEL = {
    "family": "gpt2", "n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "mlp_width": NEURONS,
    "block_size": POSITIONS, "vocab_size": VOCABULARY, "activation": "relu", "layernorm": "pre",
    "layernorm_eps": 1e-5, "bias": True, "tied_embeddings": False,
}  # fmt: skip
TASK = {"kind": "modular_addition", "modulus": P}


def weights(*, head_size: int = WIDTH // HEADS, kv_heads: int = HEADS, seed: int = 4) -> dict[str, np.ndarray]:
    """Every parameter at random, biases, norms and the unembedding's bias included: stacked q, k, v, [out, in]."""
    random = np.random.default_rng(seed)
    q, kv, L = HEADS * head_size, kv_heads * head_size, LAYERS
    shapes = {
        "wte": (VOCABULARY, WIDTH), "wpe": (POSITIONS, WIDTH), "ln1w": (L, WIDTH), "ln1b": (L, WIDTH),
        "qkvw": (L, q + 2 * kv, WIDTH), "qkvb": (L, q + 2 * kv), "attprojw": (L, WIDTH, q), "attprojb": (L, WIDTH),
        "ln2w": (L, WIDTH), "ln2b": (L, WIDTH), "fcw": (L, NEURONS, WIDTH), "fcb": (L, NEURONS),
        "fcprojw": (L, WIDTH, NEURONS), "fcprojb": (L, WIDTH), "lnfw": (WIDTH,), "lnfb": (WIDTH,),
        "unembed": (VOCABULARY, WIDTH), "unembedb": (VOCABULARY,),
    }  # fmt: skip
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def logits(params: Arrays, tokens: Sequence[int], *, kv_heads: int = HEADS) -> np.ndarray:
    """(VOCABULARY,) at the last position of one sequence, in float64."""
    w = {name: np.asarray(value, np.float64) for name, value in params.items()}
    size = w["attprojw"].shape[2] // HEADS
    x = [w["wte"][token] + w["wpe"][position] for position, token in enumerate(tokens)]
    for n in range(len(w["fcw"])):
        normed = [_norm(row, w["ln1w"][n], w["ln1b"][n]) for row in x]
        qkv = [w["qkvw"][n] @ row + w["qkvb"][n] for row in normed]
        mixed = [_attend(qkv, at, size, kv_heads) for at in range(len(x))]
        x = [row + w["attprojw"][n] @ mix + w["attprojb"][n] for row, mix in zip(x, mixed, strict=True)]
        hidden = [w["fcw"][n] @ _norm(row, w["ln2w"][n], w["ln2b"][n]) + w["fcb"][n] for row in x]
        x = [row + w["fcprojw"][n] @ np.maximum(h, 0) + w["fcprojb"][n] for row, h in zip(x, hidden, strict=True)]
    last = w.get("unembed", w["wte"]) @ _norm(x[-1], w["lnfw"], w["lnfb"])
    return np.asarray(last + w.get("unembedb", 0))


def _norm(row: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return np.asarray((row - row.mean()) / math.sqrt(row.var() + 1e-5) * weight + bias)


def _attend(qkv: list[np.ndarray], at: int, size: int, kv_heads: int) -> np.ndarray:
    """The heads of the query at one position, one by one: each `HEADS / kv_heads` share a key and a value."""
    keys, out = HEADS * size, []
    values = keys + kv_heads * size
    for head in range(HEADS):
        shared = head // (HEADS // kv_heads) * size
        query = qkv[at][head * size :][:size]
        scores = [float(query @ row[keys + shared :][:size]) / math.sqrt(size) for row in qkv[: at + 1]]
        shares = np.exp(np.array(scores) - max(scores))
        each = [row[values + shared :][:size] for row in qkv[: at + 1]]
        out.append(sum(share * value for share, value in zip(shares / shares.sum(), each, strict=True)))
    return np.concatenate(out)


def record(
    folder: Path, params: Arrays, *, dims: Mapping[str, list[str]] | None = None,
    model: Mapping[str, Any] | None = None, task: Mapping[str, Any] | None = None, more: Arrays | None = None,
    steps: Sequence[int] = (40,), training: Mapping[str, Any] | None = None,
    axes: Mapping[str, list[str]] | None = None,
) -> Path:  # fmt: skip
    """Write the parameters as a run, each step the same; `dims`, `model` and `task` replace entries of DIMS, MODEL
    and TASK, and `more` are tensors by their full name, of one or two axes or of those in `axes`."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"params/{name}": value for name, value in params.items()} | dict(more or {})
    named = {f"params/{name}": axis for name, axis in (DIMS | dict(dims or {})).items()} | dict(axes or {})
    tensors, size = place([
        {"name": name, "section": name.partition("/")[0],
         "dims": named.get(name, ["probe", "position"][: array.ndim]),
         "shape": list(array.shape), "dtype": array.dtype.name}
        for name, array in arrays.items()
    ])  # fmt: skip
    writer = SnapshotWriter(folder, {
        "format": "strobe-snapshot", "version": 1, "model": MODEL | dict(model or {}),
        "training": dict(training or {}),
        "task": TASK | dict(task or {}),
        "run": {"id": "adding", "name": "adding", "created_at": 1.0, "writer": "test"},
        "snapshot": {"bytes": size, "tensors": tensors},
    }, fsync=False)  # fmt: skip
    for step in steps:
        writer.write(step, arrays)
    return folder


def subject(folder: Path) -> Subject:
    """The run as analyses see it."""
    return Subject(RecordedRun(Run(folder)))


def model_of(folder: Path) -> AdditionModel:
    """The run as a model that adds."""
    return subject(folder).addition


def measured(params: Arrays, train: Sequence[int]) -> dict[str, float]:
    """What a training would log of the parameters if `train` were its rows: by the reference, over all classes."""
    rows = [logits(params, [a, b, P]) for a in range(P) for b in range(P)]
    labels = [(a + b) % P for a in range(P) for b in range(P)]
    losses = np.array([np.log(np.exp(row).sum()) - row[label] for row, label in zip(rows, labels, strict=True)])
    right = np.array([row.argmax() == label for row, label in zip(rows, labels, strict=True)])
    own = np.isin(np.arange(P * P), train)
    return {
        "train_loss": losses[own].mean(), "val_loss": losses[~own].mean(),
        "train_accuracy": right[own].mean(), "val_accuracy": right[~own].mean(),
    }  # fmt: skip


def log(folder: Path, values: Mapping[int, Mapping[str, float]]) -> None:
    """Write the metrics of some steps."""
    journal = Journal(folder / METRICS)
    for step, metrics in values.items():
        journal.append({"step": step, "time": 1.0 + step, **{name: float(value) for name, value in metrics.items()}})
