"""The table `progress`: what the logits of a model that adds modulo p owe to its key frequencies."""

from __future__ import annotations

from collections.abc import Iterator

from strobe.analysis import fourier, progress
from strobe.derive.analysis import BIGINT, DOUBLE, INTEGER, TEXT, Row, SnapshotAnalysis, finite
from strobe.derive.fourier import embedding_norms
from strobe.derive.recorded_run import Array
from strobe.derive.subject import Subject

_Measure = tuple[str, str | None, int | None, float]
"""Measure, split, frequency, value."""


def needs(subject: Subject) -> None:
    subject.addition.check()


def key_text(subject: Subject) -> str:
    """The key frequencies: rows of every step depend on them."""
    return ":" + ",".join(map(str, subject.addition.keys.frequencies.tolist()))


def rows(subject: Subject, step: int) -> list[Row]:
    """Full, restricted and excluded loss, cosine coefficients, and the Gini of the embeddings' component norms."""
    made = []
    for measure, split, frequency, value in (*_losses(subject, step), *_structure(subject, step)):
        number, note = finite(value)
        row = {"step": step, "measure": measure, "split": split, "frequency": frequency}
        made.append(row | {"value": number, "note": note})
    return made


def _losses(subject: Subject, step: int) -> Iterator[_Measure]:
    task, keys = subject.addition.task, subject.addition.keys.frequencies.tolist()
    p, logits = task.modulus, subject.addition.forward(step).logits
    splits: dict[str, Array | None] = {"train": task.train_index, "val": task.val_index, "all": None}
    for split, index in splits.items():
        yield "full_loss", split, None, progress.full_loss(logits, p, index)
        if keys:
            yield "restricted_loss", split, None, progress.restricted_loss(logits, p, keys, index)
    if keys:
        without = progress.excluded_loss(logits, p, keys, task.train_index)
        yield "excluded_loss", "train", None, without.all_keys
        for key, loss in zip(keys, without.each, strict=True):
            yield "excluded_loss", "train", key, float(loss)


def _structure(subject: Subject, step: int) -> Iterator[_Measure]:
    p = subject.addition.modulus
    coefficients = progress.cosine_coefficients(subject.addition.forward(step).logits, p)
    for k, value in enumerate(coefficients):
        yield "cosine_coefficient", None, k + 1, float(value)
    for site, norms in embedding_norms(subject.recorded, subject.recorded.at(step), p):
        yield f"gini_{site}", None, None, fourier.gini(norms)


ANALYSIS = SnapshotAnalysis(
    table="progress",
    definition=1,
    order=50,
    columns=(
        ("step", BIGINT), ("measure", TEXT), ("split", TEXT), ("frequency", INTEGER), ("value", DOUBLE),
    ),
    needs=needs,
    rows=rows,
    depends_on=key_text,
)  # fmt: skip
