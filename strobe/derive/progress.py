"""The table `progress`: what the logits of a model that adds modulo p owe to its key frequencies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from strobe.analysis import fourier, progress
from strobe.derive.addition_split import Split
from strobe.derive.analysis import BIGINT, DOUBLE, INTEGER, TEXT, Row, SnapshotAnalysis, finite
from strobe.derive.fourier import embedding_norms
from strobe.derive.recorded_run import Array
from strobe.derive.subject import Subject


class _Measure(NamedTuple):
    """A row, and why its value is NULL where it is no finite number."""

    measure: str
    split: str | None
    frequency: int | None
    value: float
    why: str = "not finite"


def needs(subject: Subject) -> None:
    subject.addition.check()


def dependencies(subject: Subject) -> str:
    """The key frequencies and the split: rows of every step depend on them."""
    keys = ",".join(map(str, subject.addition.keys.frequencies.tolist()))
    return f":{keys}{subject.addition.split.stamp}"


def rows(subject: Subject, step: int) -> list[Row]:
    """Losses and accuracies, cosine coefficients, the Gini of component norms, and the sum of squared weights."""
    made = []
    for each in (*_losses(subject, step), *_structure(subject, step)):
        number, note = finite(each.value, each.why)
        row = {"step": step, "measure": each.measure, "split": each.split, "frequency": each.frequency}
        made.append(row | {"value": number, "note": note})
    return made


def _losses(subject: Subject, step: int) -> Iterator[_Measure]:
    """The losses over all inputs, and those of each split: NULL with the reason where its rows are not known."""
    p, keys = subject.addition.modulus, subject.addition.keys.frequencies.tolist()
    logits, split = subject.addition.forward(step).logits, subject.addition.split
    for name, index in (("train", split.train), ("val", split.val), ("all", np.arange(p * p))):
        why = split.reason if index is None else "not finite"
        yield _Measure("model_loss", name, None, _of(index, partial(progress.model_loss, logits, p)), why)
        yield _Measure("accuracy", name, None, _of(index, partial(progress.accuracy, logits, p)), why)
        yield _Measure("full_loss", name, None, _of(index, partial(progress.full_loss, logits, p)), why)
        if keys:
            restricted = partial(progress.restricted_loss, logits, p, keys)
            yield _Measure("restricted_loss", name, None, _of(index, restricted), why)
    if keys:
        yield from _excluded(logits, p, keys, split)


def _of(index: Array | None, loss: Callable[[Array], float]) -> float:
    """The loss of the rows `index`; NaN where they are not known."""
    return float("nan") if index is None else loss(index)


def _excluded(logits: Array, p: int, keys: list[int], split: Split) -> Iterator[_Measure]:
    if split.train is None:
        for key in (None, *keys):
            yield _Measure("excluded_loss", "train", key, float("nan"), split.reason)
        return
    without = progress.excluded_loss(logits, p, keys, split.train)
    for key, loss in zip((None, *keys), (without.all_keys, *without.each.tolist()), strict=True):
        yield _Measure("excluded_loss", "train", key, loss)


def _structure(subject: Subject, step: int) -> Iterator[_Measure]:
    p = subject.addition.modulus
    coefficients = progress.cosine_coefficients(subject.addition.forward(step).logits, p)
    for k, value in enumerate(coefficients):
        yield _Measure("cosine_coefficient", None, k + 1, float(value))
    for site, norms in embedding_norms(subject.recorded, subject.recorded.at(step), p):
        yield _Measure(f"gini_{site}", None, None, fourier.gini(norms))
    yield from _weights(subject, step)


def _weights(subject: Subject, step: int) -> Iterator[_Measure]:
    """Of the weights alone: the Gini of the neuron-logit map, and the sum of squares of every parameter."""
    snapshot, runnable, p = subject.recorded.at(step), subject.addition.runnable, subject.addition.modulus
    params = runnable.params(snapshot)
    unembedding = params["wte" if runnable.architecture.tied_embeddings else "unembed"]
    W_L = progress.neuron_logit_map(unembedding, params["fcprojw"], p)
    finite_map = np.isfinite(W_L).all()
    gini = fourier.gini(fourier.component_norms(W_L, p)) if finite_map else float("nan")
    yield _Measure("gini_neuron_logit", None, None, gini, "all zero" if finite_map else "not finite")
    every = [np.asarray(snapshot.values(tensor["name"]), np.float64) for tensor in subject.recorded.tensors("params")]
    yield _Measure("sum_of_squared_weights", None, None, sum(float((each * each).sum()) for each in every))


ANALYSIS = SnapshotAnalysis(
    table="progress",
    definition=2,
    order=50,
    value="value",
    columns=(
        ("step", BIGINT), ("measure", TEXT), ("split", TEXT), ("frequency", INTEGER), ("value", DOUBLE),
    ),
    needs=needs,
    rows=rows,
    depends_on=dependencies,
)  # fmt: skip
